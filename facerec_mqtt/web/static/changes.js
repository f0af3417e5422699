// Changes of visits, strangers, people, the model and cameras: shown at once, and made by the API.

import { call, element, link, pathOf } from './net.js'
import { chooseName } from './names.js'
import { onEvent, pauseRefresh, refresh } from './live.js'
import { complain, complainAt, say, sayNext, settle, undoable } from './undo.js'

let merging = null

/** Ask whether something is really to be done. */
export function sure(title, text, yes, { danger = true } = {}) {
  const dialog = document.getElementById('sure')
  document.getElementById('sure-title').textContent = title
  document.getElementById('sure-text').textContent = text
  document.getElementById('sure-yes').textContent = yes
  document.getElementById('sure-yes').classList.toggle('danger', danger)
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }))
}

/** Ask who it is, show it, and do it unless it is undone. */
export async function nameIt(button, typed = '') {
  const path = button.dataset.who
  const chosen = await chooseName({ not: button.dataset.not ?? null, typed, check: (body) => call('POST', `${path}/check`, body) })
  if (!chosen) return
  const like = chosen.answer.looks_like
  if (like && !await putAnyway(like)) return
  assign(path, like ? { ...chosen.body, sure: true } : chosen.body, chosen.said, button)
}

/** Ask whether pictures that look like somebody else are put there all the same. */
export const putAnyway = ({ question }) => {
  const [what, ...asked] = question.split(/(?<=\.) /)
  return sure(what, asked.join(' '), question.includes('Put it ') ? 'Yes, put it there' : 'Yes, put them there', { danger: false })
}

function assign(path, body, said, from) {
  const row = from.closest('[data-visit], [data-stranger]')
  const title = row?.querySelector('[data-item]') ?? document.querySelector('h1')
  if (row?.matches('.one') && body.nobody) {
    title.textContent = 'Nobody'
    corrected(row, 'You said that this is nobody.')
  } else if (body.nobody) leave(row)
  else if (row?.matches('[data-stranger]')) leave(row)
  else {
    title.textContent = said
    row?.querySelectorAll('.kind, .do').forEach((each) => each.remove())
    if (row?.matches('.one')) corrected(row, `You said that this is ${said}.`)
  }
  undoable(body.nobody ? 'It was nobody.' : `This is ${said}.`, (options) => call('POST', path, body, options))
}

/** On a visit's own page: why it was given its name holds no longer, and there is nothing left to ask. */
function corrected(one, sentence) {
  one.querySelector('#why-box p').textContent = sentence
  one.querySelectorAll('#why-box :is(dl, figure), #correct-box > *').forEach((each) => { each.hidden = true })
}

function leave(row) {
  const next = row?.nextElementSibling ?? row?.previousElementSibling
  if (row?.matches('li, article')) row.hidden = true
  next?.querySelector?.('[data-item]')?.focus()
}

/** Delete a visit, or all visits of a stranger, unless it is undone. */
export function remove(row) {
  const { visit, stranger } = row.dataset
  leave(row)
  undoable(visit ? 'The visit is deleted.' : 'The visits are deleted.', (options) => call('DELETE', visit ? `/visits/${visit}` : `/strangers/${stranger}`, undefined, options))
}

async function onClick(event) {
  const button = event.target.closest('button, [data-check]')
  if (!button) return
  const data = button.dataset
  if (data.open) document.getElementById(data.open).showModal()
  else if ('close' in data) button.closest('dialog').close()
  else if (data.who) await nameIt(button)
  else if (data.deleteToken) {
    button.closest('li').hidden = true
    undoable('The token is deleted.', (options) => call('DELETE', `/tokens/${data.deleteToken}`, undefined, options))
  } else if (data.nobody) assign(data.nobody, { nobody: true }, 'nobody', button)
  else if (data.right) assign(`/visits/${button.closest('[data-visit]').dataset.visit}/assign`, { person: data.right }, document.querySelector('h1').firstChild.textContent.trim(), button)
  else if (data.deleteStranger) remove(button.closest('[data-stranger]'))
  else if (data.split) {
    const row = button.closest('[data-visit]')
    leave(row)
    undoable('The visit is taken out.', (options) => call('POST', `/strangers/${data.split}/split`, { visits: [row.dataset.visit] }, options))
  } else if (data.merge) beginMerge(button.closest('[data-stranger]'))
  else if ('mergeEnd' in data) endMerge()
  else if ('copy' in data) copy(button)
  else if (data.show) show(button)
}

function beginMerge(card) {
  if (merging && merging !== card) {
    const [from, into] = [merging.dataset.stranger, card.dataset.stranger]
    leave(merging)
    endMerge()
    undoable('Put together.', (options) => call('POST', '/strangers/merge', { from, into }, options))
    return
  }
  merging = card
  card.classList.add('picked')
  document.getElementById('merging').hidden = false
  document.querySelectorAll('[data-merge]').forEach((each) => { each.textContent = each.closest('[data-stranger]') === card ? 'This one and …' : 'This is the same' })
}

function endMerge() {
  merging?.classList.remove('picked')
  merging = null
  document.getElementById('merging').hidden = true
  document.querySelectorAll('[data-merge]').forEach((each) => { each.textContent = 'The same as …' })
}

async function copy(button) {
  const text = button.parentElement.querySelector('code').textContent
  try {
    await navigator.clipboard.writeText(text)
    say('Copied.')
  } catch {
    getSelection().selectAllChildren(button.parentElement.querySelector('code'))
  }
}

function show(button) {
  document.querySelector('[data-shot] img').src = button.dataset.show
  for (const each of button.parentElement.children) each.setAttribute('aria-pressed', String(each === button))
}

const SUBMITTED = {
  async rebuild() {
    await call('POST', '/model/rebuild', { force: false })
    say('The rebuild has begun.')
    refresh({ whole: true })
  },
  async removeAdded(form) {
    const chosen = [...form.querySelectorAll('[name="photo"]:checked')]
    if (!chosen.length) return say('Choose the photos that are to go.')
    for (const each of chosen) each.closest('label').hidden = true
    const paths = chosen.map(({ value }) => value.split(/\/(.*)/s)).map(([person, file]) => `${person ? `/people/${person}` : '/strangers'}/photos/${encodeURIComponent(file)}`)
    undoable(paths.length === 1 ? 'The photo is removed.' : `${paths.length} photos are removed.`, async (options) => {
      for (const path of paths) await call('DELETE', path, undefined, options)
      say('Removed. Rebuild now, so that the model learns without them.')
    })
  },
  async enable(form) {
    await call('PATCH', `/cameras/${form.dataset.enable}`, { enabled: form.querySelector('button').value === 'yes' })
    setTimeout(() => refresh({ whole: true }), 400)
  },
  async newToken(form) {
    const { token } = await call('POST', '/tokens', { name: form.elements.name.value.trim() })
    const made = document.getElementById('made-token')
    made.hidden = false
    made.querySelector('code').textContent = token
    say('Copy the token now; it is not shown again.')
    form.reset()
    refresh({ whole: true })
  },
  async rollback(form) {
    if (!await sure('Use this version?', 'Recognition goes on with it within seconds. The others are kept.', 'Use it', { danger: false })) return
    await call('POST', '/model/rollback', { version: form.dataset.rollback })
    say('This version is in use now.')
    refresh({ whole: true })
  },
  async deleteVisit(form) {
    const back = document.querySelector('[data-back]').href
    undoable('The visit is deleted.', (options) => call('DELETE', `/visits/${form.dataset.deleteVisit}`, undefined, options), () => location.assign(back))
    document.querySelector('.one').hidden = true
  },
  async newPerson(form) {
    const person = await call('POST', '/people', { name: form.elements.name.value.trim() })
    location.assign(link(`/people/${person.person}`))
  },
  async rename(form) {
    const name = form.elements.name.value.trim()
    await call('PATCH', pathOf(location.href), { name })
    location.reload()
  },
  async forget(form) {
    const name = form.dataset.forget
    const { sentence } = await call('GET', `${pathOf(location.href)}/to-forget`)
    if (!await sure(`Forget ${name}?`, `${sentence} Nothing brings them back.`, `Forget ${name}`)) return
    const progress = element('div', { class: 'stack', role: 'status' }, element('p', {}, `${name} is being forgotten; the model is made again of the others. It takes a minute or two.`), element('progress', { 'aria-label': `Forgetting ${name}` }))
    form.querySelectorAll('label, button').forEach((each) => { each.hidden = true })
    form.append(progress)
    const readAgain = pauseRefresh() // there will be nothing of this page
    try {
      await call('DELETE', pathOf(location.href))
    } catch (error) {
      progress.remove()
      form.querySelectorAll('label, button').forEach((each) => { each.hidden = false })
      readAgain()
      throw error
    }
    const { notes } = await call('GET', '/people')
    if (!notes.length) sayNext(`${name} is forgotten.`)
    location.assign(link('/people'))
  },
}

const NAMED = ['newPerson', 'rename', 'newToken']

async function onSubmit(event) {
  const form = event.target
  const name = Object.keys(SUBMITTED).find((each) => each in form.dataset)
  if (!name) return
  event.preventDefault()
  await settle()
  try {
    await SUBMITTED[name](form)
  } catch (error) {
    form.querySelectorAll('button').forEach((each) => { each.disabled = false })
    const field = NAMED.includes(name) && error.isOfInput ? form.elements.name : null
    if (field) complainAt(field, error)
    else complain(error)
  }
}

/** A model that was refused is a matter of the page Model, which has a button where a program would send more. */
const inWords = (message) => (message.includes('"force": true') ? 'The rebuild is done, but the new model is not used; Model says why.' :
  message.replace(', into _strangers, and check whether a member is there', ', on the page Strangers'))

export function wireChanges() {
  document.addEventListener('click', (event) => onClick(event).catch(complain))
  document.addEventListener('submit', onSubmit)
  onEvent(({ type, data }) => {
    if (type === 'result' && data.message) say(inWords(data.message), { wrong: data.ok === false || data.status === 'failed' })
  })
}
