// Makes pages of the dashboard quicker; all of them work without it.

// Each text to save gets a button that copies it.
for (const text of navigator.clipboard === undefined ? [] : document.querySelectorAll('output.secret')) {
  const name = document.querySelector(`label[for="${text.id}"]`)?.textContent ?? ''
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'copy'
  button.textContent = 'Copy'
  const subject = document.createElement('span')
  subject.className = 'unseen'
  subject.textContent = ` ${name}`
  button.append(subject)
  const told = document.createElement('span')
  told.setAttribute('role', 'status')
  told.className = 'muted'
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text.textContent)
      told.textContent = ' Copied'
    } catch {
      // The browser does not let pages copy: the text is selected, for the keyboard.
      window.getSelection().selectAllChildren(text)
    }
  })
  text.after(button, told)
}

// A button that ends something waits for the name, as the server does.
const asSeen = text => text.normalize('NFC').split(/\s+/).filter(Boolean).join(' ')
for (const form of document.querySelectorAll('form[data-name]')) {
  const field = form.elements.namedItem('confirmation')
  const button = form.querySelector('button.danger')
  const judge = () => { button.disabled = asSeen(field.value) !== asSeen(form.dataset.name) }
  field.addEventListener('input', judge)
  judge()
}
