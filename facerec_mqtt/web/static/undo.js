// Messages at the foot of the page, and changes that can be taken back for a few seconds before they are made.

import { element } from './net.js'
import { refresh } from './live.js'

const PATIENCE_MS = 7000
const DOUBLE_CLICK_MS = 600
const DOUBLE_CLICK_PX = 12
const SENT = 'sent' // of the session: a change was sent while its page was left
const SENT_MS = 1000
let pending = null
let clicked = null // the last click that was not ignored: when and where, and whether a change was made by it
let counted = 0

/** Show a message; gives the function that takes it away. */
export function say(sentence, { wrong = false, action = null, onAction = null } = {}) {
  const box = document.getElementById('toasts')
  const toast = element('div', { class: wrong ? 'toast wrong' : 'toast' }, element('span', {}, sentence))
  const leave = () => toast.remove()
  if (action) toast.dataset.stays = '' // as long as it can be taken back
  if (action) toast.append(element('button', { type: 'button', onclick: () => { leave(); onAction() } }, action))
  else toast.append(element('button', { type: 'button', 'aria-label': 'Close', onclick: leave }, '✕'))
  for (const same of [...box.children].filter((each) => each.firstChild.textContent === sentence)) same.remove()
  while (box.children.length > 2) ([...box.children].find((each) => !('stays' in each.dataset)) ?? box.firstChild).remove()
  box.append(toast)
  if (!action) setTimeout(leave, wrong ? 15000 : PATIENCE_MS)
  return leave
}

/** Show a message on the page that comes next. */
export const sayNext = (sentence) => sessionStorage.setItem('say', sentence)

/** Show what went wrong. */
export const complain = (error) => say(error.message, { wrong: true })

const problems = new WeakMap()

/** Say at a field what is wrong with what was written there, until it is written anew. */
export function complainAt(input, error) {
  problems.get(input)?.remove()
  const note = element('p', { class: 'problem small', role: 'alert', id: `problem-${(counted += 1)}` }, error.message)
  problems.set(input, note)
  const box = input.closest('.inline') ?? input
  box.after(note)
  input.setAttribute('aria-invalid', 'true')
  input.setAttribute('aria-describedby', note.id)
  input.addEventListener('input', () => rightAgain(input), { once: true })
  input.focus()
}

/** Take back what was said at a field. */
export function rightAgain(input) {
  problems.get(input)?.remove()
  problems.delete(input)
  for (const name of ['aria-invalid', 'aria-describedby']) input.removeAttribute(name)
}

/**
 * Make a change in a moment, unless it is undone.
 * `commit({keepalive})` makes it; the page shows it already, and is read again when it is made, undone or has failed.
 * Where there is no page any more once it is made, `next` goes to another one.
 */
export function undoable(sentence, commit, next = null) {
  settle()
  if (clicked) clicked.changed = true
  const leave = say(sentence, { action: 'Undo', onAction: undo })
  pending = { commit, next, leave, timer: setTimeout(settle, PATIENCE_MS) }
}

/** Whether a change waits to be made. */
export const isWaiting = () => pending !== null

/** Take the last change back, if it has not been made yet. */
export function undo() {
  if (!pending) return false
  clearTimeout(pending.timer)
  pending.leave()
  pending = null
  refresh({ whole: true })
  return true
}

/** Make the change that waits; `leaving` where another page comes next, so that this one is not read again. */
export async function settle({ leaving = false, ...options } = {}) {
  if (!pending) return
  const { commit, next, leave, timer } = pending
  pending = null
  clearTimeout(timer)
  leave()
  try {
    await commit(options)
    if (next && !leaving) return next()
  } catch (error) {
    if (leaving) sayNext(error.message)
    else complain(error)
  }
  if (!leaving) refresh({ whole: true })
}

/** Whether a click is the second of a double click whose first one made a change: what it meets slid under it. */
function isSecond(event) {
  if (!clicked?.changed || event.detail === 0) return false // 0: by the keyboard
  const near = Math.hypot(event.clientX - clicked.x, event.clientY - clicked.y) <= DOUBLE_CLICK_PX
  return near && (event.detail > 1 || performance.now() - clicked.at < DOUBLE_CLICK_MS)
}

function onAnyClick(event) {
  if (isSecond(event)) {
    event.preventDefault()
    event.stopImmediatePropagation()
  } else clicked = { at: performance.now(), x: event.clientX, y: event.clientY, changed: false }
}

/** Where a change was sent while the page before was left, this one may show what was before it. */
function readWhatWasSent() {
  if (!sessionStorage.getItem(SENT)) return
  sessionStorage.removeItem(SENT)
  setTimeout(() => refresh({ whole: true }), SENT_MS)
}

export function wireUndo() {
  const waiting = sessionStorage.getItem('say')
  sessionStorage.removeItem('say')
  if (waiting) say(waiting)
  readWhatWasSent()
  addEventListener('pagehide', () => {
    if (pending) sessionStorage.setItem(SENT, 'yes')
    settle({ leaving: true, keepalive: true })
  })
  document.addEventListener('click', onAnyClick, { capture: true })
  // A page that is asked for next is to show the change.
  document.addEventListener('click', async (event) => {
    const anchor = event.target.closest?.('a[href]')
    if (!pending || !anchor || anchor.origin !== location.origin || anchor.getAttribute('href').startsWith('#') || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    await settle({ leaving: true })
    location.assign(anchor.href)
  })
  // At the window, so after all that make a change of a form themselves and prevent that it is sent.
  addEventListener('submit', async (event) => {
    if (!pending || event.defaultPrevented || event.target.method !== 'post') return
    event.preventDefault()
    await settle({ leaving: true })
    event.target.requestSubmit(event.submitter)
  })
  document.addEventListener('keydown', (event) => {
    if (event.key === 'z' && (event.ctrlKey || event.metaKey) && !event.target.matches('input, textarea') && undo()) event.preventDefault()
  })
}
