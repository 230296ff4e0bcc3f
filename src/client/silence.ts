/** Runs something once nothing has happened for a while: between one and two times `ms` after the last touch. */
export class Silence {
  readonly #ms: number
  readonly #run: () => void
  #timer: Timer | undefined
  #isTouched = false

  constructor(ms: number, run: () => void) {
    this.#ms = ms
    this.#run = run
  }

  touch(): void {
    this.#isTouched = true
    this.#timer ??= this.#arm()
  }

  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): Timer {
    this.#isTouched = false
    const timer: Timer = setTimeout(() => {
      this.#timer = this.#isTouched ? this.#arm() : undefined
      if (this.#timer === undefined) this.#run()
    }, this.#ms)
    // A process with nothing else to do ends.
    if (typeof timer === 'object') timer.unref()
    return timer
  }
}

type Timer = ReturnType<typeof setTimeout>
