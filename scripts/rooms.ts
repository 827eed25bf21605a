/** npm run rooms: prints every file of src/ with its first sentence, by rooms: a table of contents of Latchkey. */
import { contents } from './rooms/contents.ts'

for (const { name, sentence, files } of contents()) {
  process.stdout.write(`\n${name}: ${sentence}\n`)
  const width = Math.max(...files.map(file => file.name.length))
  for (const file of files) process.stdout.write(`  ${file.name.padEnd(width)}  ${file.sentence}\n`)
}
