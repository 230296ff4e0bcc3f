/** What a doctor says about one thing. */
export interface Finding {
  /** What was looked at: `bank.keyFile`. */
  readonly about: string
  readonly state: 'ok' | 'warning' | 'fault'
  /** What was found. */
  readonly detail: string
  /** What to do about it; nothing where all is well. */
  readonly remedy: string | undefined
}

export function fine(about: string, detail: string): Finding {
  return { about, state: 'ok', detail, remedy: undefined }
}

export function warning(about: string, detail: string, remedy: string): Finding {
  return { about, state: 'warning', detail, remedy }
}

export function fault(about: string, detail: string, remedy: string): Finding {
  return { about, state: 'fault', detail, remedy }
}

/** What an examination finds, or the fault that it could not be made. */
export async function examined(
  about: string,
  look: () => Promise<readonly Finding[]>,
  remedy: string,
): Promise<readonly Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [fault(about, error instanceof Error ? error.message : String(error), remedy)]
  }
}
