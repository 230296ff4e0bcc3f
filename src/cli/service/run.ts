import type { LoadedConfig } from '../../ops/config/index.ts'
import { errorDetails } from '../../ops/log/logger.ts'
import { openLogger } from '../../ops/log/pino.ts'
import type { RunningService, ServiceDeps } from '../../ops/service/service.ts'
import { exitCodes, type Output } from '../command.ts'
import { programVersion } from '../version.ts'
import { explained } from './config.ts'

/**
 * Runs a service until SIGTERM or SIGINT, then stops it in order. One line on stdout says where it listens once it is ready; a
 * second signal ends the process at once.
 */
export async function runService(
  role: 'bank' | 'vendor',
  config: LoadedConfig,
  output: Output,
  start: (config: LoadedConfig, deps: ServiceDeps) => Promise<RunningService>,
): Promise<number> {
  const logger = await openLogger(config.log.level)
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) process.exit(exitCodes.failed)
    logger.info('stopping', { signal })
    stopping.abort()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    const self = [process.execPath, ...process.execArgv, process.argv[1] ?? '']
    const service = await start(config, { logger, version: programVersion(), self, signal: stopping.signal })
    const { url, opsUrl } = service
    output.out(JSON.stringify({ ready: true, role, url, ops: opsUrl, pid: process.pid }))
    await aborted(stopping.signal)
    await service.stop()
    logger.info('ended', { role })
    return exitCodes.done
  } catch (error) {
    // Told to stop while it waited for something: that is what was done.
    if (error instanceof Error && error.name === 'StoppedError') return exitCodes.done
    logger.error('failed', errorDetails(error))
    throw explained(error)
  } finally {
    // The last lines are those that say why it ends.
    await logger.flush()
    process.off('SIGTERM', stop)
    process.off('SIGINT', stop)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
