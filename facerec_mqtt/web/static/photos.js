// Photos that are chosen, dropped, pasted or taken: sent two at a time, each with its progress and its answer.

import { call, element, link, upload } from './net.js'
import { putAnyway } from './changes.js'
import { chooseName } from './names.js'
import { refresh } from './live.js'
import { complain, isWaiting, settle, undoable } from './undo.js'

const AT_ONCE = 2
const MOST_SHOWN = 30
const JUDGING_MS = 2000
let waiting = null

/** Call a function with the pictures that come to an element by drop, by paste or by its file inputs. */
export function takeFiles(form, onFiles) {
  const take = (files) => {
    const pictures = [...files].filter((file) => file.type.startsWith('image/') || /\.(heic|heif|avif)$/i.test(file.name))
    if (pictures.length) onFiles(pictures)
  }
  for (const input of form.querySelectorAll('input[type=file]')) {
    const taken = () => { take(input.files); input.value = '' }
    input.addEventListener('change', taken)
    if (input.files.length) taken() // chosen before this was here
  }
  for (const type of ['dragover', 'dragleave', 'drop']) {
    document.addEventListener(type, (event) => {
      event.preventDefault()
      form.classList.toggle('over', type === 'dragover')
      if (type === 'drop') take(event.dataTransfer.files)
    })
  }
  document.addEventListener('paste', (event) => take(event.clipboardData.files))
}

export function wirePhotos() {
  const form = document.querySelector('[data-upload]')
  if (!form) return
  takeFiles(form, (files) => send(form.dataset.upload, files))
  document.addEventListener('click', onClick)
  document.addEventListener('submit', onDelete)
  document.addEventListener('refreshed', followPhotos)
  followPhotos()
}

/** Show no photo twice, and read again soon what is about to be found out of them. */
function followPhotos() {
  const asked = new Set([...document.querySelectorAll('#sending [data-asks]')].map((card) => card.dataset.asks))
  for (const photo of document.querySelectorAll('#photos [data-photo]')) if (asked.has(photo.dataset.photo)) photo.hidden = true
  clearTimeout(waiting)
  if (document.querySelector('[data-judging]')) waiting = setTimeout(() => (isWaiting() ? followPhotos() : refresh()), JUDGING_MS)
}

/** Send files; they are shown above the photos until these are read again, and what was wrong stays until it is closed. */
async function send(base, files) {
  const grid = document.getElementById('sending')
  const waiting = files.map((file) => ({ file, card: placeholder(file) }))
  grid.prepend(...waiting.map(({ card }) => card))
  const next = async () => {
    for (let each = waiting.shift(); each; each = waiting.shift()) await sendOne(base, each)
  }
  const cards = waiting.map(({ card }) => card)
  await Promise.all(Array.from({ length: AT_ONCE }, next))
  await settle()
  await refresh({ whole: true })
  await askAbout(base, cards.map((card) => card.like).filter(Boolean)).catch(complain)
  for (const card of cards) if (!card.matches('.choose')) card.remove()
}

async function sendOne(base, { file, card }) {
  const progress = card.querySelector('progress')
  try {
    const answer = await upload(base, file, (share) => { progress.value = share })
    const [result] = answer.photos
    progress.remove()
    answered(card, result.added ? 'Added' : 'Not added', '', result.added ? '' : 'bad')
    if (result.faces.length) answered(card, 'Added', result.reason ?? '', 'stranger')
    else if (result.reason) keep(result.name, result.added, result.reason)
    if (result.faces.length) card.dataset.asks = result.file
    if (result.looks_like) card.like = result.looks_like
    if (result.faces.length) offerFaces(card, base, result, URL.createObjectURL(file))
  } catch (error) {
    progress.remove()
    answered(card, 'Not added', '', 'bad')
    keep(file.name, false, error.message)
  }
}

/** Of photos of somebody, those that look like somebody else, with the question about them: a list of one, or of none. */
export async function likeAnother(base, files) {
  if (!files.length) return []
  const { looks_like: like } = await call('POST', base.replace(/photos$/, 'look-alikes'), { files })
  return like ? [like] : []
}

/** Ask once about photos that were put somewhere and look like somebody else; until then they stay as they are. */
export async function askAbout(base, found) {
  const isOfPerson = base.startsWith('/people/')
  const [like] = found.length > 1 && isOfPerson ? await likeAnother(base, found.flatMap(({ files }) => files)) : found
  if (!like) return
  const files = isOfPerson ? like.files : found.flatMap((each) => each.files)
  const change = (name, act) => element('button', { type: 'button', onclick: async () => {
    note.querySelectorAll('button').forEach((each) => { each.disabled = true })
    await settle()
    try {
      for (const file of files) await act(`${base}/${encodeURIComponent(file)}`)
    } catch (error) {
      complain(error)
    }
    note.remove()
    refresh({ whole: true })
  } }, name)
  const them = files.length === 1 ? 'it' : 'them'
  const [what, ...asked] = like.question.split(/(?<=\.) /)
  const yes = isOfPerson ? (path) => call('PATCH', path, { use: true }) : () => {}
  const pictures = files.slice(0, MOST_SHOWN).map((file, at) => element('img', { src: link(`/api/v1${base}/${encodeURIComponent(file)}?width=168`), alt: `Picture ${at + 1}`, width: '84', height: '84' }))
  const note = element('div', { class: 'note warn' }, element('div', {}, element('b', {}, what), element('div', { class: 'strip wrap' }, ...pictures), element('p', { class: 'small' }, asked.join(' ')), element('div', { class: 'row' }, ...[
    change(`Yes, use ${them}`, yes),
    isOfPerson && like.person ? change(`No, move to ${like.name}`, (path) => call('PATCH', path, { person: like.person })) : null,
    change(`Delete ${them}`, (path) => call('DELETE', path)),
  ].filter(Boolean))))
  document.getElementById('answers').append(note)
}

/** Say what is wrong with a photo, until somebody closes it. */
function keep(name, added, reason) {
  const note = element('div', { class: added ? 'note warn' : 'note wrong' },
    element('div', {}, element('b', {}, added ? `${name}: added, but not usable` : `${name}: not added`), element('p', { class: 'small' }, reason)),
    element('button', { type: 'button', class: 'plain round', 'aria-label': `Close: ${name}`, onclick: () => note.remove() }, '✕'))
  document.getElementById('answers').append(note)
}

/** Of a photo of several people, let the face be clicked that it is about. */
function offerFaces(card, base, { file, faces }, source) {
  const path = `${base}/${encodeURIComponent(file)}`
  card.classList.add('choose')
  card.querySelector('.about').append(element('p', {}, element('b', {}, 'Click the right face.')))
  const picture = element('div', { class: 'faces' })
  card.querySelector('img').replaceWith(picture)
  picture.append(element('img', { src: source, alt: '' }), ...faces.map(({ box: [left, top, right, bottom] }, face) => {
    const button = element('button', { type: 'button', 'aria-label': `Face ${face + 1}`, onclick: async () => {
      await settle()
      try {
        const cut = await call('PATCH', path, { face })
        card.remove()
        refresh({ whole: true })
        await askAbout(base, await likeAnother(base, [cut.file]))
      } catch (error) {
        complain(error)
      }
    } })
    for (const [side, value] of Object.entries({ left, top, width: right - left, height: bottom - top })) button.style[side] = `${100 * value}%`
    return button
  }))
}

function answered(card, title, text, kind) {
  card.classList.remove('new')
  card.querySelector('.about').replaceChildren(element('span', { class: `kind ${kind}` }, title), element('p', {}, text))
}

function placeholder(file) {
  const url = URL.createObjectURL(file)
  const picture = element('img', { src: url, alt: file.name, width: '176', height: '176', onload: () => URL.revokeObjectURL(url) })
  const progress = element('progress', { max: '1', value: 0, 'aria-label': file.name })
  return Object.assign(element('figure', { class: 'card photo new', role: 'status' }, picture, progress, element('figcaption', { class: 'about' }, file.name)), { file })
}

async function onClick(event) {
  const button = event.target.closest('[data-use], [data-move], [data-faces]')
  if (!button) return
  const card = button.closest('[data-photo]')
  const { base } = card.parentElement.dataset
  const person = base.split('/')[2]
  const path = `${base}/${encodeURIComponent(card.dataset.photo)}`
  try {
    if ('faces' in button.dataset) {
      button.disabled = true
      const faces = await call('GET', `${path}/faces`)
      if (faces.length) offerFaces(card, base, { file: card.dataset.photo, faces }, link(`/api/v1${path}?width=1280`))
      button.remove()
      card.querySelector('.faces button')?.focus()
      return
    }
    if (button.dataset.use) {
      await settle()
      await call('PATCH', path, { use: button.dataset.use === 'yes' })
      refresh({ whole: true })
      return
    }
    const check = (body) => call('POST', `/people/${person}/look-alikes`, { files: [card.dataset.photo], to: body.person })
    const chosen = await chooseName({ not: person, title: 'Whose photo is it?', onlyPeople: true, check })
    if (!chosen) return
    const like = chosen.answer.looks_like
    if (like && !await putAnyway(like)) return
    card.hidden = true
    undoable(`Moved to ${chosen.said}.`, (options) => call('PATCH', path, { ...chosen.body, sure: like !== null }, options))
  } catch (error) {
    complain(error)
  }
}

function onDelete(event) {
  const form = event.target.closest('[data-delete-photo]')
  if (!form) return
  event.preventDefault()
  const card = form.closest('[data-photo]')
  const path = `${card.parentElement.dataset.base}/${encodeURIComponent(card.dataset.photo)}`
  card.hidden = true
  undoable('The photo is deleted.', (options) => call('DELETE', path, undefined, options))
}

/** The picture that is tried, with its faces. */
export function wireTry() {
  const form = document.querySelector('[data-try]')
  if (!form) return
  takeFiles(form, async ([file]) => {
    const place = document.getElementById('tried')
    place.replaceChildren(element('p', { class: 'soft' }, 'Looking …'))
    try {
      const found = await upload('/recognise', file, () => {})
      place.replaceChildren(await shown(file, found))
    } catch (error) {
      place.replaceChildren(element('p', { class: 'note wrong' }, error.message))
    }
  })
}

async function shown(file, { faces: found }) {
  const faces = [...found].sort((one, other) => one.box[0] - other.box[0]) // as one reads the picture
  const picture = element('img', { src: URL.createObjectURL(file), alt: 'The picture that was tried' })
  await picture.decode().catch(() => {})
  const view = element('div', { class: 'view tried' }, picture)
  const [width, height] = [picture.naturalWidth || 1, picture.naturalHeight || 1]
  view.style.aspectRatio = `${width} / ${height}`
  const boxes = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  boxes.setAttribute('class', 'boxes')
  boxes.setAttribute('viewBox', `0 0 ${width} ${height}`)
  boxes.innerHTML = faces.map(({ box: [left, top, right, bottom], name }) => `<g class="${name ? 'named' : 'nobody'}"><rect x="${Number(left)}" y="${Number(top)}" width="${right - left}" height="${bottom - top}"/></g>`).join('')
  view.append(boxes)
  const number = (at) => (faces.length > 1 ? `${at + 1}. ` : '')
  if (faces.length > 1) {
    view.append(element('div', { class: 'tags', 'aria-hidden': 'true' }, ...faces.map(({ box: [left, top], name }, at) => {
      const tag = element('span', { class: name ? 'tag named' : 'tag' }, String(at + 1))
      Object.assign(tag.style, { left: `${(100 * Math.max(0, left)) / width}%`, top: `${(100 * Math.max(height * 0.1, top)) / height}%` })
      return tag
    })))
  }
  const lines = faces.map((face, at) => element('li', {}, element('div', {}, element('b', {}, number(at), face.name ?? 'Unknown'), element('p', { class: 'soft small' },
    face.reason ?? (face.name ? `Score ${face.score.toFixed(2)}; 0.50 is needed for a name.` : `Score ${face.score.toFixed(2)}; 0.50 would be needed.`)))))
  if (!faces.length) lines.push(element('li', {}, element('div', {}, 'There is no face in this picture.')))
  return element('div', { class: 'card camera' }, view, element('ul', { class: 'list' }, ...lines))
}
