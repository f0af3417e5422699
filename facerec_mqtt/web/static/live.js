// What changes by itself: the service's events, and the parts of the page that are read again because of them.

import { link } from './net.js'
import { isWaiting } from './undo.js'

const LISTENERS = new Set()
let waiting = null
const lastText = new Map()
let lastKey = null
let paused = false

/** Call a function with each event of the service, as {type, data}. */
export const onEvent = (listener) => LISTENERS.add(listener)

/** Read this page again and put its new parts in place of the old ones; not while a change is shown that waits to be made. */
export async function refresh({ whole = false } = {}) {
  const parts = [...document.querySelectorAll('[data-live]')]
  if (!parts.length || paused || isWaiting()) return
  let answer
  try {
    answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
  } catch {
    return
  }
  if (!answer.ok || answer.redirected) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
  if (isWaiting()) return
  for (const part of parts) {
    const other = fresh.getElementById(part.id)
    if (!other || isBusy(part)) continue
    const text = other.innerHTML
    if (!whole && lastText.get(part.id) === text) continue
    lastText.set(part.id, text)
    if (part.innerHTML === text) continue
    keepFocus(part, () => (part.dataset.extended ? merge(part, other) : replace(part, other)))
  }
  document.dispatchEvent(new Event('refreshed'))
}

/** Read this page no more, since what it is about is going away; gives the function that ends that. */
export function pauseRefresh() {
  paused = true
  return () => { paused = false }
}

/** Read the page again soon; many reasons at once are one. */
export function refreshSoon() {
  waiting ??= setTimeout(() => {
    waiting = null
    if (!document.hidden) refresh()
    else document.addEventListener('visibilitychange', refreshSoon, { once: true })
  }, 600)
}

export function wireLive() {
  const lost = document.querySelector('[data-lost]')
  if (!lost || !window.EventSource) return
  let source, wait, patience
  const connect = () => {
    clearTimeout(wait)
    source?.close()
    source = new EventSource(link('/api/v1/events'))
    source.onopen = () => {
      clearTimeout(patience)
      patience = null
      if (!lost.hidden) refresh()
      lost.hidden = true
    }
    source.onmessage = (event) => tell(event.type, event.data)
    for (const type of ['status', 'event', 'result']) source.addEventListener(type, (event) => tell(type, event.data))
    source.onerror = () => {
      // A short break is nobody's concern.
      patience ??= setTimeout(() => { lost.hidden = false }, 2500)
      if (source.readyState === EventSource.CLOSED) wait = setTimeout(connect, 3000)
    }
  }
  connect()
  addEventListener('pagehide', () => source.close())
  addEventListener('pageshow', (event) => event.persisted && connect())
}

function tell(type, text) {
  let data
  try {
    data = JSON.parse(text)
  } catch {
    return
  }
  for (const listener of LISTENERS) listener({ type, data })
  if (type !== 'status') refreshSoon()
  else if (data.model?.status === 'training' && lastKey === keyOf(data)) showProgress(data.model)
  else if (lastKey !== keyOf(data)) {
    if (lastKey !== null) refreshSoon()
    lastKey = keyOf(data)
  }
}

/** Of a status, what is worth reading the page again for. */
const keyOf = ({ broker, house, model, cameras, people }) => JSON.stringify([broker, house, model.status, model.version, model.message,
  cameras.map(({ camera, online, enabled }) => [camera, online, enabled]), people.map(({ person, present, camera }) => [person, present, camera])])

function showProgress({ progress, stage, seconds_left: left }) {
  for (const box of document.querySelectorAll('[data-rebuilding]')) {
    if (progress !== null) box.querySelector('progress').value = progress
    box.querySelector('[data-stage]').textContent = stage ?? 'Rebuilding'
    box.querySelector('[data-left]').textContent = left === null || left === undefined ? '' : timeLeft(left)
  }
}

function timeLeft(seconds) {
  if (seconds < 5) return 'nearly done'
  if (seconds < 60) return `about ${Math.round(seconds)} seconds left`
  const minutes = Math.round(seconds / 60)
  return minutes === 1 ? 'about 1 minute left' : `about ${minutes} minutes left`
}

/** Whether somebody is typing there. */
function isBusy(part) {
  const active = document.activeElement
  return part.contains(active) && active.matches('input:not([type=checkbox]), select, textarea')
}

function keepFocus(part, change) {
  const active = part.contains(document.activeElement) ? document.activeElement : null
  const key = active && (active.getAttribute('href') ?? active.dataset.who ?? active.getAttribute('aria-label'))
  change()
  if (active && !active.isConnected) {
    [...part.querySelectorAll('a, button')].find((each) => [each.getAttribute('href'), each.dataset.who, each.getAttribute('aria-label')].includes(key))?.focus()
  }
}

/** Cameras' pictures that are shown stay, so that they do not flicker. */
function replace(part, other) {
  for (const fresh of other.querySelectorAll('[data-camera]')) {
    const old = part.querySelector(`[data-camera="${fresh.dataset.camera}"]`)
    if (old?.querySelector('.view img') && fresh.querySelector('.view img')) {
      fresh.querySelector('.view').replaceWith(old.querySelector('.view'))
      fresh.querySelector('.seen').replaceWith(old.querySelector('.seen'))
      fresh.querySelector('.live').hidden = old.querySelector('.live').hidden
    }
  }
  part.replaceChildren(...other.childNodes)
}

/** A timeline of which more was loaded: its days and visits are put in one by one. */
function merge(part, other) {
  for (const day of other.querySelectorAll('[data-day]')) {
    const known = part.querySelector(`[data-day="${day.dataset.day}"] ul`)
    if (!known) {
      part.prepend(day)
      continue
    }
    let place = known.firstElementChild
    for (const row of [...day.querySelectorAll('[data-visit]')]) {
      const old = known.querySelector(`[data-visit="${row.dataset.visit}"]`)
      if (old) {
        place = old.nextElementSibling
        if (old.innerHTML !== row.innerHTML) old.replaceWith(row)
      } else known.insertBefore(row, place)
    }
  }
}
