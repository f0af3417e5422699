// Questions to the API, and what went wrong in a sentence.

const base = document.querySelector('meta[name="base"]')?.content ?? ''

/** The link to a path of ours, under whatever prefix the page is served. */
export const link = (path) => base + path

/** The path of a link, without the prefix. */
export const pathOf = (url) => new URL(url, location.href).pathname.slice(base.length) || '/'

/** Ask the API; gives its JSON, or null for an empty answer, and throws an Error with the sentence. */
export async function call(method, path, body, { keepalive = false } = {}) {
  const options = { method, keepalive, headers: { Accept: 'application/json' } }
  if (body instanceof FormData) options.body = body
  else if (body !== undefined) {
    options.body = JSON.stringify(body)
    options.headers['Content-Type'] = 'application/json'
  }
  let answer
  try {
    answer = await fetch(link('/api/v1' + path), options)
  } catch {
    throw new Error('The page cannot be reached at present; try again.')
  }
  if (answer.status === 401) signIn()
  const content = await answer.json().catch(() => null)
  if (!answer.ok) {
    const error = new Error(content?.error ?? `The page answered with status ${answer.status}.`)
    throw Object.assign(error, { isOfInput: [409, 422].includes(answer.status) })
  }
  return content
}

/** Send one file with its progress, from 0 to 1; gives the JSON. */
export function upload(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const form = new FormData()
    form.append('photo', file, file.name || 'photo.jpg')
    const request = new XMLHttpRequest()
    request.open('POST', link('/api/v1' + path))
    request.responseType = 'json'
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total)
    request.onerror = () => reject(new Error('The connection was lost; send it again.'))
    request.onload = () => {
      if (request.status === 401) signIn()
      if (request.status < 300) resolve(request.response)
      else reject(new Error(request.response?.error ?? `The page answered with status ${request.status}.`))
    }
    request.send(form)
  })
}

/** An element with attributes and children; text goes in as text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== 'string') made[key] = value
    else made.setAttribute(key, value)
  }
  made.append(...children.filter((child) => child !== null))
  return made
}

function signIn() {
  location.assign(link('/sign-in?next=' + encodeURIComponent(pathOf(location.href))))
}
