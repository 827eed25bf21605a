// What makes the dashboard quicker where scripts run: copying, dialogs instead of pages, and dangerous buttons that
// wait for the name to be typed. Every page works without it.
const status = document.createElement('p')
status.setAttribute('role', 'status')
status.className = 'status'
document.body.append(status)

/** Says something for some seconds, also to a screen reader. */
function say (text) {
  status.textContent = text
  window.clearTimeout(say.timer)
  say.timer = window.setTimeout(() => { status.textContent = '' }, 4_000)
}

/** Without the right to write to the clipboard, the text is selected, so that a key press copies it. */
async function copy (output) {
  try {
    await window.navigator.clipboard.writeText(output.textContent)
    say('Copied')
  } catch {
    window.getSelection().selectAllChildren(output)
    say('Selected: copy it now')
  }
}

function offerCopying (root) {
  for (const output of root.querySelectorAll('output.secret')) {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'copy'
    button.textContent = 'Copy'
    const of = document.createElement('span')
    of.className = 'unseen'
    of.textContent = ` ${root.querySelector(`label[for="${output.id}"]`)?.textContent ?? ''}`
    button.append(of)
    button.addEventListener('click', () => copy(output))
    output.after(button)
  }
}

/** Spaces as a person sees them. */
const seen = text => text.normalize('NFC').split(/\s+/).filter(Boolean).join(' ')

function awaitNames (root) {
  for (const form of root.querySelectorAll('form[data-name]')) {
    const field = form.elements.namedItem('confirmation')
    const button = form.querySelector('button.danger')
    const judge = () => { button.disabled = seen(field.value) !== seen(form.dataset.name) }
    field.addEventListener('input', judge)
    judge()
  }
}

/** A form is sent once, however often its button is pressed; a slow answer is announced. */
function sendOnce (root) {
  for (const form of root.querySelectorAll('form[method="post"]')) {
    form.addEventListener('submit', event => {
      if (form.dataset.sent === 'yes') return event.preventDefault()
      form.dataset.sent = 'yes'
      window.setTimeout(() => say('Working …'), 1_000)
    })
  }
}

/** The page of a link, in a dialog above this one. What cannot be shown so is gone to. */
async function openDialog (link) {
  const response = await window.fetch(link.href, { headers: { accept: 'text/html' } })
  const page = new window.DOMParser().parseFromString(await response.text(), 'text/html')
  const content = page.querySelector('#content')
  const isSame = new URL(response.url).pathname === new URL(link.href).pathname
  if (!response.ok || !isSame || content?.querySelector('form') === null) return window.location.assign(link.href)
  const dialog = document.createElement('dialog')
  const title = content.querySelector('h1')
  title.id = 'dialog-title'
  content.querySelector('nav.path')?.remove()
  dialog.setAttribute('aria-labelledby', title.id)
  dialog.append(...content.childNodes)
  for (const cancel of dialog.querySelectorAll('.actions a.button')) {
    cancel.addEventListener('click', event => {
      event.preventDefault()
      dialog.close()
    })
  }
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  prepare(dialog)
  dialog.showModal()
}

function openInDialogs (root) {
  for (const link of root.querySelectorAll('a[data-dialog]')) {
    link.addEventListener('click', event => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      openDialog(link).catch(() => window.location.assign(link.href))
    })
  }
}

function prepare (root) {
  offerCopying(root)
  awaitNames(root)
  sendOnce(root)
  openInDialogs(root)
}

prepare(document)
// A page that comes back from the browser's memory may be of before a change: it is asked for anew.
window.addEventListener('pageshow', event => { if (event.persisted) window.location.reload() })
