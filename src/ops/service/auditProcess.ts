import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { type AuditReport, parseReport } from '../audit/report.ts'

/**
 * Audits the books in another process, so that no customer waits for it, whatever the size of the ledger. `self` runs this program,
 * `args` are the config's.
 */
export function auditBeside(self: readonly string[], config: string): Promise<AuditReport> {
  const [program = process.execPath, ...args] = self
  const child = spawn(program, [...args, 'ledger', 'audit', '--config', config, '--quick', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // It may take as long as it wants. Where the system does not allow it, it takes its share.
  if (child.pid !== undefined) tryTo(() => setPriority(child.pid ?? 0, constants.priority.PRIORITY_LOW))
  const said = { out: '', error: '' }
  child.stdout.on('data', (text: Buffer) => {
    said.out += text.toString()
  })
  child.stderr.on('data', (text: Buffer) => {
    said.error = (said.error + text.toString()).slice(-2000)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      // 1 is what an audit says that found something.
      if (said.out !== '' && (code === 0 || code === 1)) resolve(parseReport(said.out))
      else reject(new Error(`the audit could not be made: ${said.error.trim() || `it ended with ${code}`}`))
    })
  })
}

function tryTo(work: () => void): void {
  try {
    work()
  } catch {
    // What it is for goes on without it.
  }
}
