export { challenge } from './challenge.ts'
export { guard, type GuardDependencies, type GuardOptions } from './guard.ts'
export { loggedRequest } from './log.ts'
export {
  errorStyles, publicRefusal, type Answer, type ErrorStyle, type Occasion, type PublicRefusal
} from './styles.ts'
