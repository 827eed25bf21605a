/** The guard as a library: the plugin, its challenge, its log serializer and its error styles. */
import '../base/node/supported-node.ts'
export { challenge } from './refusal/challenge.ts'
export { guard, type GuardDependencies, type GuardOptions } from './guard.ts'
export { loggedRequest } from './log.ts'
export { cookiesNamed, isFromOwnPages, presentedSession } from './person-session.ts'
export { publicRefusal, type PublicRefusal } from './refusal/public-refusal.ts'
export { errorStyles, type Answer, type ErrorStyle, type Occasion } from './refusal/styles.ts'
