import type { Output } from '../command.ts'

export interface Progress {
  /** Something longer has begun. */
  step(what: string): void
  /** `done` of `total` units of it. */
  count(label: string, done: number, total: number): void
  /** Clears the line. */
  done(): void
}

const barWidth = 30
const redrawMs = 50

/** A bar on a terminal, redrawn at most twenty times a second; nothing anywhere else. */
export function createProgress(output: Output): Progress {
  if (!output.isTerminal) return { step: () => undefined, count: () => undefined, done: () => undefined }
  let drawnAt = 0
  let dirty = false
  const draw = (line: string): void => {
    process.stderr.write(`\r\u001b[2K${line}`)
    dirty = true
  }
  return {
    step: (what) => draw(`${what} …`),
    count(label, done, total) {
      const now = performance.now()
      if (done < total && now - drawnAt < redrawMs) return
      drawnAt = now
      const filled = Math.round((done / total) * barWidth)
      draw(`${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ${done}/${total} ${label}`)
    },
    done() {
      if (dirty) process.stderr.write('\r\u001b[2K')
      dirty = false
    },
  }
}
