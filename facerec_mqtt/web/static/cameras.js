// Cameras' pictures while somebody looks: frame after frame, with what the service sees drawn over it.

import { call, element, link } from './net.js'

const PAUSE_MS = 120
const STANDS_STILL_MS = 15000 // a camera that sends nothing for so long is not live
const SVG = 'http://www.w3.org/2000/svg'
const looked = new WeakSet()
const visible = new WeakSet()

const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) visible.add(target)
    else visible.delete(target)
  }
})

/** Make the pictures on this page live. */
export function wireCameras() {
  for (const card of document.querySelectorAll('[data-camera]')) {
    const view = card.querySelector('.view')
    if (!view.querySelector('img') || looked.has(view)) continue
    looked.add(view)
    watch.observe(view)
    look(view, card.dataset.camera)
  }
}

async function look(view, camera) {
  const live = view.closest('[data-camera]').querySelector('.live')
  let failures = 0
  let newest = null
  let sinceMs = 0
  while (view.isConnected) {
    if (document.hidden || !visible.has(view)) {
      await pause(400)
      continue
    }
    try {
      const [seen] = await Promise.all([call('GET', `/cameras/${camera}/live`), showFrame(view, camera)])
      if (view.dataset.captured !== newest) [newest, sinceMs] = [view.dataset.captured, performance.now()]
      draw(view, performance.now() - sinceMs < STANDS_STILL_MS ? seen : null)
      failures = 0
    } catch {
      failures += 1
      if (failures > 2) draw(view, null)
    }
    live.hidden = failures > 2 || performance.now() - sinceMs >= STANDS_STILL_MS
    await pause(failures ? Math.min(5000, 500 * 2 ** failures) : PAUSE_MS)
  }
}

/** Put the newest frame in place of the last one when it has been decoded, so that nothing flickers. */
async function showFrame(view, camera) {
  const width = Math.min(1280, Math.ceil((view.clientWidth * devicePixelRatio) / 160) * 160)
  const answer = await fetch(link(`/api/v1/cameras/${camera}/frame.jpg?width=${width}`))
  if (!answer.ok) throw new Error(`status ${answer.status}`)
  const captured = answer.headers.get('X-Captured-At')
  if (captured !== null && captured === view.dataset.captured) return
  view.dataset.captured = captured
  const old = view.querySelector('img')
  const next = element('img', { alt: old.alt, width: '1280', height: '720' })
  next.src = URL.createObjectURL(await answer.blob())
  await next.decode()
  if (old.src.startsWith('blob:')) URL.revokeObjectURL(old.src)
  old.replaceWith(next)
}

/** Draw boxes and names, and say the reasons for faces without a name. */
function draw(view, seen) {
  const boxes = view.querySelector('.boxes')
  const tags = view.querySelector('.tags')
  const words = view.closest('[data-camera]').querySelector('.seen')
  const faces = seen?.faces ?? []
  const [width, height] = [seen?.width || 16, seen?.height || 9]
  boxes.setAttribute('viewBox', `0 0 ${width} ${height}`)
  if (seen?.width) view.style.aspectRatio = `${width} / ${height}`
  boxes.replaceChildren(...faces.map(({ box: [left, top, right, bottom], name, kind }) => {
    const group = document.createElementNS(SVG, 'g')
    const frame = document.createElementNS(SVG, 'rect')
    for (const [key, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top, rx: 6 })) frame.setAttribute(key, value)
    group.setAttribute('class', name ? (kind === 'visitor' ? 'visitor' : 'named') : 'nobody')
    group.append(frame)
    return group
  }))
  tags.replaceChildren(...faces.map((face) => {
    const places = [face.name && 'named', face.box[1] < height * 0.1 && 'below', face.box[0] > width * 0.62 && 'right'].filter(Boolean)
    const tag = element('span', { class: ['tag', ...places].join(' ') }, face.name ?? 'Unknown', ' ', element('small', {}, face.score.toFixed(2)))
    tag.style.left = `${(100 * Math.max(0, face.box[0])) / width}%`
    tag.style.top = `${(100 * (face.box[1] < height * 0.1 ? face.box[3] : face.box[1])) / height}%`
    return tag
  }))
  keepApart([...tags.children])
  const sentence = faces.filter((face) => !face.name && face.reason).map((face) => face.reason).join(' ')
  if (words && words.textContent !== sentence) words.textContent = sentence
}

/** Move a name down that would cover another. */
export function keepApart(tags) {
  const placed = []
  for (const tag of tags) {
    let { left, right, top, bottom } = tag.getBoundingClientRect()
    const covered = () => placed.find((other) => left < other.right && other.left < right && top < other.bottom && other.top < bottom)
    let moved = 0
    for (let other = covered(); other; other = covered()) {
      const by = other.bottom - top + 2
      ;[moved, top, bottom] = [moved + by, top + by, bottom + by]
    }
    if (moved) tag.style.marginTop = `${moved}px`
    placed.push({ left, right, top, bottom })
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
