/** Whether a service can do its work, by what it needs for it. */
export interface Readiness {
  state(): Promise<ReadyState>
  /** From now on it is not ready: it is about to stop. */
  drain(): void
}

interface ReadyState {
  readonly ok: boolean
  /** `ok`, or what is wrong, by the name of the check. */
  readonly checks: Readonly<Record<string, string>>
}

/** Resolves when what it looks at works; rejects with the reason where it does not. */
export type Check = () => Promise<void>

export function createReadiness(checks: Readonly<Record<string, Check>>, timeoutMs: number = 2000): Readiness {
  let isDraining = false
  return {
    drain: () => {
      isDraining = true
    },
    async state() {
      const entries = Object.entries(checks)
      const results = await Promise.all(
        entries.map(async ([name, check]) => [name, await outcome(check, timeoutMs)] as const),
      )
      const all = isDraining ? [['service', 'is stopping'] as const, ...results] : results
      return { ok: all.every(([, result]) => result === 'ok'), checks: Object.fromEntries(all) }
    },
  }
}

async function outcome(check: Check, timeoutMs: number): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${timeoutMs} ms`), timeoutMs)
  })
  const done = check().then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  try {
    return await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * A check of writes that costs none: what became of the last one. Where that failed, it is taken for mended after a while, or
 * nothing would ever be sent here to find out.
 */
export function lastWriteCheck(
  failures: { readonly lastFailure: { readonly atMs: number; readonly message: string } | undefined },
  nowMs: () => number,
  retryAfterMs: number = 10_000,
): Check {
  return async () => {
    const { lastFailure } = failures
    if (lastFailure !== undefined && nowMs() - lastFailure.atMs < retryAfterMs) throw new Error(lastFailure.message)
  }
}
