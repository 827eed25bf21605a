/** The order of versions of Node.js: three numbers with dots. */

export function isOlder (version: string, other: string): boolean {
  const [parts, others] = [version, other].map(text => text.split('.').map(part => parseInt(part)))
  const different = parts!.findIndex((part, index) => part !== others![index])
  return different !== -1 && parts![different]! < others![different]!
}
