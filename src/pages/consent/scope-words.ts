/** What scopes of OpenID Connect mean to the person who allows them (OpenID Connect Core §5.4). */

const words: Readonly<Record<string, string>> = {
  openid: 'Know which member you are',
  profile: 'Read your name',
  email: 'Read your e-mail address',
}

/** None for those that a page says in another way: `offline_access` is how long the access lasts. */
export function wordsOf (name: string): { name: string, description: string }[] {
  const description = words[name]
  return description === undefined ? [] : [{ name, description }]
}
