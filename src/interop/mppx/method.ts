import { Method, z } from 'mppx'

/** In a credential: what the protocol's own headers carry, base64url. */
export type Members = Readonly<Record<'payment', string>> & {
  readonly [name in 'channel' | 'checkpoint' | 'attachment']?: string | undefined
}

/** What a challenge asks for. */
export interface Requested extends Record<string, unknown> {
  /** Base units. A server's own options have it in the asset, as `'0.001'`. */
  readonly amount: string
  /** As `USD/6`. */
  readonly currency: string
  /** The vendor's public key, in hex. */
  readonly recipient: string
  /** As `/.well-known/lockstep` has it, without routes. */
  readonly offer?: Readonly<Record<string, unknown>> | undefined
}

/** The payment method, as `mppx` has those. */
export interface LockstepMethod {
  name: 'lockstep'
  intent: 'session'
  schema: { credential: { payload: z.ZodMiniType<Members, Members> }; request: z.ZodMiniType<Requested, Requested> }
}

const member = z.string().check(z.regex(/^[\w-]{1,1024}$/, 'not base64url'))

const payload: z.ZodMiniType<Members, Members> = z.object({
  payment: member,
  channel: z.optional(member),
  checkpoint: z.optional(member),
  attachment: z.optional(member),
})

const requested: z.ZodMiniType<Requested, Requested> = z.object({
  amount: z.string(),
  currency: z.string(),
  recipient: z.string(),
  offer: z.optional(z.record(z.string(), z.unknown())),
})

/** The method for challenges as they are, or for a server whose prices `unitsOf` reads. */
export function methodOf(unitsOf?: (price: string) => string): LockstepMethod {
  const request: LockstepMethod['schema']['request'] =
    unitsOf === undefined
      ? requested
      : z.pipe(
          requested,
          z.transform((options: Requested): Requested => ({ ...options, amount: unitsOf(options.amount) })),
        )
  return Method.from({ name: 'lockstep', intent: 'session', schema: { credential: { payload }, request } })
}
