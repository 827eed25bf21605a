/** The file in which record.ts leaves for preload.cjs where Node.js found each module. */
const { join } = require('node:path')

exports.foundFile = join(__dirname, '..', '..', 'node_modules', '.cache', 'found-modules.json')
