// Cameras that are found in the network and added, and the service that starts again.

import { call, element } from './net.js'
import { onEvent, pauseRefresh, refresh } from './live.js'
import { complain, complainAt, say, sayNext } from './undo.js'

const AGAIN_MS = 700
const PATIENCE_MS = 60_000

export function wireSetup() {
  const form = document.querySelector('[data-find]')
  form?.addEventListener('submit', (event) => {
    event.preventDefault()
    find(form).catch(complain)
  })
  document.addEventListener('submit', (event) => {
    if (!('restart' in event.target.dataset)) return
    event.preventDefault()
    restart(event.target).catch(complain)
  })
}

async function find(form) {
  const { username, password, address } = form.elements
  const asked = {}
  if (address.value.trim()) asked.address = address.value.trim()
  if (username.value) Object.assign(asked, { username: username.value, password: password.value })
  const dialog = form.closest('dialog')
  const typed = password.value
  dialog.close()
  password.value = ''
  const list = document.getElementById('found-cameras')
  list.hidden = false
  list.replaceChildren(element('li', {}, element('p', {}, 'Cameras are asked; it takes a few seconds.'), element('progress', { 'aria-label': 'Looking for cameras' })))
  try {
    const { cameras, nothing } = await call('POST', '/cameras/find', asked)
    list.replaceChildren(...(nothing ? [element('li', {}, element('p', {}, nothing))] : cameras.map((each) => shown(each, asked))))
  } catch (error) {
    list.hidden = true
    if (!error.isOfInput) throw error
    dialog.showModal()
    password.value = typed
    complainAt(address, error)
  }
}

/** A camera that was found: its streams, the line to copy, and the way to save it. */
function shown(camera, login) {
  const item = element('li', {}, element('h3', {}, camera.name, element('small', {}, [camera.host, camera.made].filter(Boolean).join(' · '))))
  if (camera.known) item.append(element('p', { class: 'soft small' }, 'It is one of your cameras already.'))
  if (camera.failure) item.append(element('p', {}, camera.failure))
  if (!camera.streams.length) return item
  const code = element('code', {}, camera.streams[0].line)
  let chosen = camera.streams[0]
  const group = `stream-${camera.host}-${camera.name}`
  const choices = camera.streams.map((stream, at) => {
    const radio = element('input', { type: 'radio', name: group, checked: at === 0 })
    radio.addEventListener('change', () => { chosen = stream; code.textContent = stream.line })
    const size = stream.width ? `${stream.width} × ${stream.height}` : stream.profile
    const more = [stream.profile, stream.fps ? `${stream.fps} a second` : '', stream.encoding].filter(Boolean).join(', ')
    return element('label', {}, radio, element('span', {}, size, ' ', element('small', {}, more + (at === 0 ? ' · suits recognition best' : ''))))
  })
  item.append(element('fieldset', { class: 'streams' }, element('legend', {}, 'Stream'), ...choices))
  const section = document.getElementById('finding')
  const saves = 'canSave' in section.dataset && !camera.known
  if (saves) item.append(adding(camera, () => chosen, login))
  const copy = element('button', { type: 'button', class: 'round', 'aria-label': 'Copy the line' })
  copy.dataset.copy = ''
  copy.append(document.querySelector('#copy-icon').content.cloneNode(true))
  const line = element('div', {}, element('div', { class: 'copy' }, code, copy))
  if (login.username) line.append(element('p', { class: 'soft small' }, 'Put the password in the place of PASSWORD.'))
  item.append(saves ? element('details', {}, element('summary', {}, 'As a line to copy'), line) : line)
  return item
}

function adding(camera, stream, login) {
  const name = element('input', { type: 'text', value: camera.name, maxlength: '100', required: true, autocomplete: 'off', 'aria-label': `Name of the camera at ${camera.host}` })
  const form = element('form', { class: 'inline' }, name, element('button', { class: 'first' }, 'Add'))
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const section = document.getElementById('finding')
    const { username, password } = login
    const { url } = stream()
    try {
      const { saving } = await call('POST', '/cameras', { revision: section.dataset.revision, name: name.value.trim(), url, ...(username ? { username, password } : {}) })
      section.dataset.revision = saving.revision
      form.replaceWith(element('p', {}, `${name.value.trim()} is saved. It is watched when the service starts again.`))
      refresh({ whole: true })
    } catch (error) {
      if (error.isOfInput) complainAt(name, error)
      else complain(error)
    }
  })
  return form
}

/** Have the service start again, and wait for it. */
async function restart(form) {
  let refused = false
  onEvent(({ type, data }) => { refused ||= type === 'result' && data.command === 'restart' && data.ok === false })
  await call('POST', '/restart')
  const readAgain = pauseRefresh()
  const note = form.closest('[data-restart-note]')
  form.hidden = true
  note.querySelector('b').textContent = 'The service starts again …'
  const end = Date.now() + PATIENCE_MS
  while (Date.now() < end && !refused) {
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    const { saving } = await call('GET', '/cameras').catch(() => ({}))
    if (!saving || saving.restart) continue
    sayNext('The service has started again.')
    location.reload()
    return
  }
  form.hidden = false
  note.querySelector('b').textContent = 'The settings have changed'
  readAgain()
  if (!refused) say('The service has not come back within a minute; look into its log.', { wrong: true })
}
