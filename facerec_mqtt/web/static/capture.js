// Enrolling by a camera: what the person is to do, as words and as a ring that fills.

import { call } from './net.js'
import { onEvent } from './live.js'
import { askAbout, likeAnother } from './photos.js'
import { complain } from './undo.js'

export function wireCapture() {
  const box = document.getElementById('capture')
  if (!box) return
  const form = box.querySelector('[data-start]')
  const button = form.querySelector('button')
  let begun = false
  let running = false
  let before = new Set()
  const base = `/people/${box.dataset.capture}/photos`
  const askAboutTaken = async () => askAbout(base, await likeAnother(base, (await photos()).filter((file) => !before.has(file))))
  const photos = async () => (await call('GET', base)).photos.map(({ file }) => file)
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    button.disabled = true
    hint(box, 'Look into the camera.')
    try {
      before = new Set(await photos())
      await call('POST', `/cameras/${box.dataset.at}/capture`, { name: box.dataset.name })
      begun = true
    } catch (error) {
      button.disabled = false
      complain(error)
    }
  })
  const stop = box.querySelector('[data-stop]')
  stop.addEventListener('submit', async (event) => {
    event.preventDefault()
    stop.querySelector('button').disabled = true
    try {
      await call('DELETE', `/cameras/${box.dataset.at}/capture`)
    } catch (error) {
      stop.querySelector('button').disabled = false
      complain(error)
    }
  })
  onEvent(({ type, data }) => {
    if (type === 'result' && begun && data.message) hint(box, data.message)
    if (type !== 'status') return
    const { capture } = data
    if (capture) {
      begun = true
      box.querySelector('[data-taken]').textContent = capture.taken
      box.querySelector('[data-wanted]').textContent = capture.wanted
      box.querySelector('.full').setAttribute('stroke-dashoffset', 100 - (100 * capture.taken) / capture.wanted)
      if (capture.hint) hint(box, capture.hint)
    } else if (running) {
      button.textContent = 'Take more'
      askAboutTaken().catch(complain)
    }
    running = capture !== null
    button.disabled = running
    form.hidden = running
    stop.hidden = !running
    if (!running) stop.querySelector('button').disabled = false
  })
}

function hint(box, sentence) {
  const place = box.querySelector('[data-hint] b')
  if (place.textContent !== sentence) place.textContent = sentence
}
