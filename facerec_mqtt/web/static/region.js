// The region of a camera, pulled by its corners and edges, and the smallest face as a square to compare with.

import { call, element } from './net.js'
import { refresh } from './live.js'
import { complain, say } from './undo.js'

const LEAST = 0.05 // of a side, as the settings have it
const STEP = 0.01
const APART_PX = 88
const SIDES = ['left', 'top', 'right', 'bottom']
const HANDLES = [
  ['nw', 'Top left corner', ['left', 'top']], ['edge n', 'Top edge', ['top']], ['ne', 'Top right corner', ['right', 'top']],
  ['edge upright e', 'Right edge', ['right']], ['se', 'Bottom right corner', ['right', 'bottom']], ['edge s', 'Bottom edge', ['bottom']],
  ['sw', 'Bottom left corner', ['left', 'bottom']], ['edge upright w', 'Left edge', ['left']],
]
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const clamp = (value, low, high) => Math.min(high, Math.max(low, value))
const round = (value) => Math.round(value * 1000) / 1000
const number = (value) => String(round(value))

export function wireRegion() {
  const form = document.querySelector('[data-setup]')
  if (form) edit(form)
}

function edit(form) {
  const size = { width: Number(form.dataset.width), height: Number(form.dataset.height) }
  const stage = form.querySelector('.stage')
  const state = read(form)
  let saved = copy(state)
  let before = null // what Esc takes back to
  let square = null // where the square is, in fractions of the picture

  const handles = form.querySelector('.handles') ? makeHandles(form.querySelector('.handles')) : []
  form.querySelector('.view').style.aspectRatio = `${size.width} / ${size.height}`

  function show({ said = true } = {}) {
    const [left, top, right, bottom] = [state.left * size.width, state.top * size.height, state.right * size.width, state.bottom * size.height]
    const overlay = form.querySelector('.overlay')
    if (overlay) {
      overlay.querySelector('.outside').setAttribute('d', `M0 0H${size.width}V${size.height}H0ZM${left} ${top}H${right}V${bottom}H${left}Z`)
      const frame = overlay.querySelector('.region')
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) frame.setAttribute(name, value)
    }
    handles.forEach((each) => each.place())
    for (const side of SIDES) {
      const input = form.elements[side]
      if (document.activeElement !== input) input.value = number(state[side] * 100)
    }
    form.elements.min_face_px.value = state.least
    form.querySelector('#least-px').textContent = number(state.least)
    form.querySelector('#line').textContent = line(form.dataset.keeper, state)
    const whole = isWhole(state)
    const share = Math.round(100 * (state.right - state.left) * (state.bottom - state.top))
    if (said) form.querySelector('#outside').textContent = whole ? 'The whole picture is looked at.' : `Only the bright part is looked at: ${share}\u00a0% of the picture.`
    form.querySelector('[data-whole]').disabled = whole
    form.querySelector('#ignored').hidden = whole
    const found = Number(form.dataset.smallest) * Math.max(1, Math.max(right - left, bottom - top) / Number(form.dataset.maxSide))
    form.querySelector('#found').hidden = found <= state.least
    form.querySelector('#found b').textContent = `${Math.round(found)} px`
    const reset = form.querySelector('[data-reset]')
    if (reset) reset.hidden = same(state, saved)
  }

  /** Move some sides by fractions of the picture; a side never passes its opposite. */
  function move(sides, across, down, from = state) {
    for (const side of sides) {
      const by = side === 'left' || side === 'right' ? across : down
      const [low, high] = { left: [0, state.right - LEAST], right: [state.left + LEAST, 1], top: [0, state.bottom - LEAST], bottom: [state.top + LEAST, 1] }[side]
      state[side] = round(clamp(from[side] + by, low, high))
    }
  }

  /** Move all of the region. */
  function shift(across, down, from = state) {
    const [x, y] = [clamp(across, -from.left, 1 - from.right), clamp(down, -from.top, 1 - from.bottom)]
    const { left, top, right, bottom } = from
    Object.assign(state, { left: round(left + x), right: round(right + x), top: round(top + y), bottom: round(bottom + y) })
  }

  /** Where the handles are: at the sides, or outside of a region so small that a finger would take several. */
  function apart() {
    const { width, height } = stage.getBoundingClientRect()
    const spread = (low, high, room) => {
      const out = Math.max(0, APART_PX / room - (high - low)) / 2
      const from = clamp(low - out, 0, Math.max(0, 1 - (high - low) - 2 * out))
      return [from, from + (high - low) + 2 * out]
    }
    const [[left, right], [top, bottom]] = [spread(state.left, state.right, width), spread(state.top, state.bottom, height)]
    return { left, top, right, bottom }
  }

  function makeHandles(box) {
    const made = HANDLES.map(([kind, name, sides]) => {
      const button = element('button', { type: 'button', class: kind })
      const place = () => {
        const { left, top, right, bottom } = apart()
        const x = sides.includes('left') ? left : sides.includes('right') ? right : (left + right) / 2
        const y = sides.includes('top') ? top : sides.includes('bottom') ? bottom : (top + bottom) / 2
        Object.assign(button.style, { left: `${100 * x}%`, top: `${100 * y}%` })
        button.setAttribute('aria-label', `${name}, at ${sides.map((side) => `${number(state[side] * 100)} %`).join(' and ')}`)
      }
      pull(button, (across, down, from) => move(sides, across, down, from))
      return { button, place }
    })
    const grip = element('button', { type: 'button', class: 'move' })
    pull(grip, shift)
    made.push({ button: grip, place: () => {
      grip.hidden = isWhole(state)
      const { left, top, right, bottom } = apart()
      Object.assign(grip.style, { left: `${50 * (left + right)}%`, top: `${50 * (top + bottom)}%` })
      grip.setAttribute('aria-label', `All of the region, at ${number(state.left * 100)} % and ${number(state.top * 100)} %`)
    } })
    const face = element('button', { type: 'button', class: 'square' }, element('span', {}))
    pull(face, (across, down, from) => { square = { x: from.square.x + across, y: from.square.y + down } }, true)
    made.push({ button: face, place: () => {
      const [width, height] = [state.least / size.width, state.least / size.height]
      square ??= { x: state.left + (state.right - state.left) * 0.27 - width / 2, y: (state.top + state.bottom - height) / 2 }
      square = { x: clamp(square.x, 0, Math.max(0, 1 - width)), y: clamp(square.y, 0, Math.max(0, 1 - height)) }
      Object.assign(face.style, { left: `${100 * square.x}%`, top: `${100 * square.y}%`, width: `${100 * width}%`, height: `${100 * height}%` })
      face.firstChild.textContent = `${number(state.least)} px`
      face.setAttribute('aria-label', `Square of the smallest face, ${number(state.least)} pixels; to compare with`)
    } })
    box.append(...made.map(({ button }) => button))
    return made
  }

  /** Let a handle be moved by finger, mouse and arrows; Esc takes back what was moved since it was taken hold of. */
  function pull(button, moved) {
    let start = null
    button.addEventListener('focus', () => { before = { ...copy(state), square } })
    button.addEventListener('pointerdown', (event) => {
      if (event.button) return
      button.setPointerCapture(event.pointerId)
      before = { ...copy(state), square }
      start = { x: event.clientX, y: event.clientY, from: before }
    })
    button.addEventListener('pointermove', (event) => {
      if (!start) return
      const { width, height } = stage.getBoundingClientRect()
      moved((event.clientX - start.x) / width, (event.clientY - start.y) / height, start.from)
      show({ said: false })
    })
    for (const end of ['pointerup', 'pointercancel']) button.addEventListener(end, () => { start = null; show() })
    button.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && before) {
        event.preventDefault()
        start = null
        square = before.square
        for (const side of SIDES) state[side] = before[side]
        show()
        return
      }
      const arrow = ARROWS[event.key]
      if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      event.stopPropagation()
      const step = event.shiftKey ? 5 * STEP : STEP
      moved(arrow[0] * step, arrow[1] * step, { ...copy(state), square })
      show()
    })
  }

  form.addEventListener('input', (event) => {
    const { name, value } = event.target
    if (name === 'min_face_px') state.least = Number(value)
    else if (SIDES.includes(name) && value !== '') move([name], Number(value) / 100 - state[name], Number(value) / 100 - state[name])
    show()
  })
  form.addEventListener('change', () => show())
  form.querySelector('[data-whole]').addEventListener('click', () => { Object.assign(state, { left: 0, top: 0, right: 1, bottom: 1 }); show() })
  form.querySelector('[data-reset]')?.addEventListener('click', () => { Object.assign(state, saved); show() })
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (!form.querySelector('[data-save]')) return
    const region = isWhole(state) ? null : SIDES.map((side) => state[side])
    try {
      const { saving } = await call('PUT', `/cameras/${form.dataset.setup}/settings`, { revision: form.elements.revision.value, region, min_face_px: state.least })
      form.elements.revision.value = saving.revision
      saved = copy(state)
      say(saving.restart ? 'Saved. It comes into use when the service starts again.' : 'Saved.')
      show()
      refresh({ whole: true })
    } catch (error) {
      complain(error)
    }
  })
  show()
  new ResizeObserver(() => handles.forEach((each) => each.place())).observe(stage)
}

function read(form) {
  const state = { least: Number(form.elements.min_face_px.value) }
  for (const side of SIDES) state[side] = round(Number(form.elements[side].value) / 100)
  return state
}

const copy = ({ left, top, right, bottom, least }) => ({ left, top, right, bottom, least })
const same = (one, other) => [...SIDES, 'least'].every((name) => one[name] === other[name])
const isWhole = ({ left, top, right, bottom }) => left === 0 && top === 0 && right === 1 && bottom === 1

/** The line for the settings, as the server writes it. */
function line(keeper, state) {
  const sides = SIDES.map((side) => number(state[side]))
  if (keeper === 'app') return `region: ${sides.join(', ')}\nmin_face_px: ${number(state.least)}`
  return `"region":[${sides.join(',')}],"min_face_px":${number(state.least)}`
}
