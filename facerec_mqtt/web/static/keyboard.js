// Arrows from one visit, person or stranger to the next; letters say who it is; digits go to the pages.

import { nameIt, remove } from './changes.js'
import { complain } from './undo.js'

const items = () => [...document.querySelectorAll('[data-items] [data-item]')].filter((each) => each.offsetParent !== null)
const boxOf = (item) => item.closest('li, article')

export function wireKeyboard() {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if (event.target.matches('input, select, textarea') || document.querySelector('dialog[open]')) return
    const all = items()
    const box = event.target.closest('li, article')
    const at = all.findIndex((each) => boxOf(each) === box)
    if (['ArrowDown', 'ArrowUp'].includes(event.key)) move(event, all, at)
    else if (event.key === 'Delete' && at >= 0 && !event.repeat) {
      const row = box.closest('[data-visit], [data-stranger]')
      if (row) remove(row)
    } else if (/^[1-6]$/.test(event.key)) document.querySelectorAll('.places a')[Number(event.key) - 1].click()
    else if (/^\p{L}$/u.test(event.key) && at >= 0) {
      const button = box.querySelector('[data-item-name]')
      if (!button) return
      event.preventDefault()
      nameIt(button, event.key).catch(complain)
    }
  })
}

function move(event, all, at) {
  if (!all.length) return
  event.preventDefault()
  const next = at < 0 ? (event.key === 'ArrowDown' ? 0 : all.length - 1) : at + (event.key === 'ArrowDown' ? 1 : -1)
  const item = all[Math.max(0, Math.min(all.length - 1, next))]
  item.focus({ preventScroll: true })
  boxOf(item).scrollIntoView({ block: 'nearest' })
}
