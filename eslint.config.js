import neostandard from 'neostandard'

export default neostandard({
  ts: true,
  ignores: ['src/storage/generated/**', '**/dist/**', 'data/**', '.tap/**', 'node_modules/**']
})
