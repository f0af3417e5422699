// Earlier visits are loaded when the end of the timeline comes near; a choice of the filter is a page at once.

export function wireTimeline() {
  for (const chosen of document.querySelectorAll('.filters [aria-current]')) {
    const bar = chosen.parentElement
    bar.scrollLeft = chosen.offsetLeft - bar.offsetLeft - (bar.clientWidth - chosen.offsetWidth) / 2
  }
  const timeline = document.getElementById('timeline')
  if (!timeline) return
  const watch = new IntersectionObserver((entries) => {
    const near = entries.find((entry) => entry.isIntersecting)
    if (near) more(near.target)
  }, { rootMargin: '1200px' })
  const begin = () => {
    const link = timeline.querySelector('[data-more]')
    if (link) watch.observe(link)
  }
  const more = async (link) => {
    watch.unobserve(link)
    let answer
    try {
      answer = await fetch(link.href, { headers: { Accept: 'text/html' } })
    } catch {
      return
    }
    if (!answer.ok || !link.isConnected) return
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('timeline')
    timeline.dataset.extended = 'yes'
    link.parentElement.remove()
    for (const day of page.querySelectorAll('[data-day]')) {
      const known = timeline.querySelector(`[data-day="${day.dataset.day}"] ul`)
      if (known) known.append(...day.querySelectorAll('[data-visit]'))
      else timeline.append(day)
    }
    const end = page.querySelector('.more')
    if (end) timeline.append(end)
    begin()
  }
  begin()
  document.addEventListener('refreshed', begin)
  const form = document.querySelector('[data-filter]')
  form?.addEventListener('change', () => form.requestSubmit())
}
