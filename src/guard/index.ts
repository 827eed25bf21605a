export { challenge } from './challenge.ts'
export { guard, type GuardDependencies, type GuardOptions } from './guard.ts'
export { loggedRequest } from './log.ts'
export { errorStyles, type Answer, type ErrorStyle, type Occasion } from './styles.ts'
