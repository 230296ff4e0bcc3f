export { assessClose, type BankChannel, type Settlement } from './close.ts'
export { assessOpen, grant, type Parties } from './open.ts'
export { defaultRules, type Rules } from './Rules.ts'
