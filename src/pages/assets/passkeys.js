// Adds a passkey, or signs in by one: asks this server what to ask the authenticator, and sends back what that answers.
// A form names the call of `navigator.credentials` in data-passkey; it is sent to its own address, and asks at
// `options` below that.
const sentences = {
  InvalidStateError: 'There is a passkey of yours on this device already.',
  NotAllowedError: 'No passkey was used: it was cancelled, took too long, or there is none here.',
  NotSupportedError: 'This authenticator cannot verify you, by a PIN for example, or cannot keep a passkey.',
  SecurityError: 'Passkeys work under the host name of this server only; open this page there.'
}

const calls = {
  create: async publicKey => await navigator.credentials.create({
    publicKey: window.PublicKeyCredential.parseCreationOptionsFromJSON(publicKey)
  }),
  get: async publicKey => await navigator.credentials.get({
    publicKey: window.PublicKeyCredential.parseRequestOptionsFromJSON(publicKey)
  })
}

async function post (path, body) {
  const response = await window.fetch(path, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error)
  return answer
}

async function ask (form) {
  if (window.PublicKeyCredential?.parseCreationOptionsFromJSON === undefined) {
    throw new Error('This browser knows no passkeys; use a newer one, or sign in in another way.')
  }
  const path = form.getAttribute('action')
  const fields = Object.fromEntries(new window.FormData(form))
  const credential = await calls[form.dataset.passkey](await post(`${path}/options`, {}))
  const { location } = await post(path, { ...fields, credential: credential.toJSON() })
  window.location.assign(location)
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const problem = form.querySelector('[role="alert"]')
  const button = form.querySelector('button')
  form.addEventListener('submit', async event => {
    event.preventDefault()
    problem.hidden = true
    button.disabled = true
    try {
      await ask(form)
    } catch (error) {
      problem.textContent = sentences[error.name] ?? error.message
      problem.hidden = false
      button.disabled = false
      button.focus()
    }
  })
}
