// A sign-in link carries its secret behind the #, which browsers send to no server. This moves it into the form, and
// out of the address, so that neither the history nor a copied address has it.
const field = document.querySelector('[name="token"]')
const { hash, pathname, search } = window.location
if (field !== null && hash.length > 1) {
  field.value = hash.slice(1)
  window.history.replaceState(null, '', pathname + search)
  document.querySelector('button[type="submit"]').focus()
}
