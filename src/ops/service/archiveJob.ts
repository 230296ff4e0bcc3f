import { tidy } from '../../vendor/index.ts'
import type { Logger } from '../log/logger.ts'

/** Packs what closed channels leave, and forgets what is older than it is kept. */
export function createArchiveJob(
  { logger, ...deps }: Parameters<typeof tidy>[0] & { readonly logger: Logger },
  kept: Parameters<typeof tidy>[1],
): () => Promise<void> {
  return async () => {
    const done = await tidy(deps, kept)
    if (done.packed + done.forgotten + done.answers > 0) logger.info('archived', { ...done })
  }
}
