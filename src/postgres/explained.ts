import { StoreError, type StoreFault } from '../sql/storeError.ts'

interface Cause {
  readonly fault: StoreFault
  readonly advice: string
}

const away: Cause = {
  fault: 'unreachable',
  advice:
    'The server does not answer. Nothing was written: start it, or look at the network, and it goes on by itself.',
}
const busy: Cause = {
  fault: 'busy',
  advice: 'Writers are in each other’s way for too long. Nothing was written: try again.',
}
const lockedOut: Cause = {
  fault: 'unreachable',
  advice: 'The server lets this user in nowhere. Check user, password and database.',
}
const damaged: Cause = { fault: 'damaged', advice: 'The database is damaged. Stop, keep it, and restore a backup.' }
const full: Cause = {
  fault: 'full',
  advice: 'The server has no room left. Nothing was written: make room, and it goes on by itself.',
}

/** By SQLSTATE, then by its class: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const causes: Readonly<Record<string, Cause>> = {
  '08': away,
  '28': lockedOut,
  '3D000': lockedOut,
  '42501': { fault: 'unreachable', advice: 'This user may not use the tables of the store. Grant it what it needs.' },
  '25006': {
    fault: 'readOnly',
    advice: 'The server takes no writes: is it a standby? Nothing was written: connect to the primary, or promote it.',
  },
  '40001': busy,
  '40P01': busy,
  '55P03': busy,
  '57014': busy,
  '53': {
    fault: 'busy',
    advice: 'The server is out of memory or connections. Nothing was written: give it more, or try again.',
  },
  '53100': full,
  '53000': full,
  '57P': away,
  '58': { fault: 'disk', advice: 'The server’s disk failed. Nothing was acknowledged: look at its log.' },
  XX001: damaged,
  XX002: damaged,
}

/** Codes of the operating system, which the driver passes on. */
const unreachable = /^E(?:CONNREFUSED|CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN|NOENT|ACCES)$/
/** The driver's own words: its errors have no codes. */
const broken =
  /^(?:Connection terminated|Query read timeout|timeout (?:exceeded|expired)|Client has encountered a connection error|Client was closed|The server does not support SSL)/

/** A failing environment as a {@link StoreError} that says what to do. Anything else is a bug and stays what it is. */
export function explained(error: unknown, place: string): unknown {
  const cause = causeOf(error)
  return cause === undefined ? error : new StoreError(`${place}: ${cause.advice}`, { cause: error, fault: cause.fault })
}

/** Whether the connection can be used no more: what it was asked for may have happened or not. */
export function isBroken(error: unknown): boolean {
  const code = codeOf(error)
  if (severityOf(error) === 'FATAL' || severityOf(error) === 'PANIC') return true
  return (
    /^(?:08|57P0[1-4])/.test(code) || unreachable.test(code) || (error instanceof Error && broken.test(error.message))
  )
}

/** Whether the server, or the system, ended the connection: not one that hangs. Another one may do. */
export function isTerminated(error: unknown): boolean {
  return isBroken(error) && !(error instanceof Error && /timeout/.test(error.message))
}

/** Whether the database asks for the transaction to be run again. It wrote nothing. */
export function isRetryable(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error))
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function causeOf(error: unknown): Cause | undefined {
  // Several addresses of one host, none of which answers.
  if (error instanceof AggregateError) return causeOf(error.errors[0])
  const code = codeOf(error)
  if (unreachable.test(code) || (code === '' && error instanceof Error && broken.test(error.message))) return away
  return causes[code] ?? causes[code.slice(0, 3)] ?? causes[code.slice(0, 2)]
}

function severityOf(error: unknown): string {
  return error instanceof Error && 'severity' in error ? String(error.severity) : ''
}
