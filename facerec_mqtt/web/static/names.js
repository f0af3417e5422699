// Who is this? A dialog in which a name is typed or chosen.

import { call, element, link } from './net.js'
import { complainAt, rightAgain } from './undo.js'

const plain = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().trim()
let people = null

/**
 * Ask who somebody is: {body: what the API takes, said: a sentence's end}, or null.
 * `check(body)` is asked before the question is over; what it throws is said at the name.
 */
export async function chooseName({ not = null, typed = '', title = 'Who is this?', onlyPeople = false, check = null } = {}) {
  const dialog = document.getElementById('who')
  const input = document.getElementById('who-name')
  const list = document.getElementById('who-choices')
  document.getElementById('who-title').textContent = title
  people ??= call('GET', '/people').then((answer) => answer.people)
  let known
  try {
    known = (await people).filter((person) => person.person !== not)
  } catch (error) {
    people = null
    throw error
  }
  let choices = []
  let at = -1

  const show = () => {
    const text = input.value.trim()
    choices = choicesFor(text, known, onlyPeople)
    at = text ? 0 : -1
    list.replaceChildren(...choices.map((choice, number) => element('div', { role: 'option', id: `who-${number}`, 'data-number': String(number) },
      element('span', { class: 'avatar', 'aria-hidden': 'true' }, face(choice)), element('span', {}, choice.title, choice.text ? element('small', {}, choice.text) : null))))
    mark()
  }
  const mark = () => {
    for (const [number, option] of [...list.children].entries()) option.setAttribute('aria-selected', String(number === at))
    list.children[at]?.scrollIntoView({ block: 'nearest' })
    if (at >= 0 && choices.length) input.setAttribute('aria-activedescendant', `who-${at}`)
    else input.removeAttribute('aria-activedescendant')
  }
  const onKey = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step || !choices.length) return
    event.preventDefault()
    at = at < 0 ? (step > 0 ? 0 : choices.length - 1) : (at + step + choices.length) % choices.length
    mark()
  }

  input.value = typed
  show()
  return new Promise((resolve) => {
    let chosen = null
    const listening = new AbortController()
    const on = (target, type, listener) => target.addEventListener(type, listener, { signal: listening.signal })
    on(input, 'input', show)
    on(input, 'keydown', onKey)
    const take = async (choice) => {
      if (!choice || dialog.ariaBusy === 'true') return
      dialog.ariaBusy = 'true'
      const busy = document.getElementById('who-busy')
      const late = setTimeout(() => { busy.textContent = 'Looking at the pictures …' }, 300)
      try {
        const answer = check ? await check(choice.body) : null
        if (!dialog.open) return // closed meanwhile
        chosen = { ...choice, answer }
        dialog.close()
      } catch (error) {
        if (dialog.open) complainAt(input, error)
      } finally {
        dialog.ariaBusy = null
        clearTimeout(late)
        busy.textContent = ''
      }
    }
    on(list, 'click', (event) => {
      const option = event.target.closest('[data-number]')
      if (option) take(choices[Number(option.dataset.number)])
    })
    on(dialog.querySelector('form'), 'submit', (event) => {
      event.preventDefault()
      take(choices[at])
    })
    on(dialog, 'close', () => { listening.abort(); rightAgain(input); if (chosen?.body.name) people = null; resolve(chosen) })
    dialog.showModal()
    input.focus()
  })
}

function choicesFor(text, known, onlyPeople) {
  const wanted = plain(text)
  const fits = known.filter((person) => plain(person.name).split(/\s+/).some((word) => word.startsWith(wanted)) || plain(person.name).startsWith(wanted))
  const choices = fits.map((person) => ({ title: person.name, picture: person.picture, said: person.name, body: { person: person.person } }))
  if (onlyPeople) return choices
  if (wanted && !known.some((person) => plain(person.name) === wanted)) {
    choices.push({ title: text, text: 'Somebody new, to be recognised', sign: '+', said: text, body: { name: text } })
    choices.push({ title: text, text: 'A known visitor, as the postman: named and counted, never a stranger', sign: '+', said: text, body: { visitor: text } })
  }
  if (!wanted) choices.push({ title: 'Nobody', text: 'Not family, or not a face: the model learns whom not to name', sign: '–', said: 'nobody', body: { nobody: true } })
  return choices
}

function face(choice) {
  if (choice.picture) return element('img', { src: link(choice.picture) + '?width=96', alt: '' })
  return choice.sign ?? choice.title.slice(0, 1).toUpperCase()
}
