import { join } from 'node:path'
import { type RolldownOutput, rolldown } from 'rolldown'

const crypto = join(import.meta.dirname, '../src/crypto')

/** What `browser` of package.json says of `dist/`, for the sources. */
const inPages: Readonly<Record<string, string>> = {
  [join(crypto, 'native.ts')]: join(crypto, 'noNative.ts'),
  [join(crypto, 'portable.ts')]: join(crypto, 'compact.ts'),
}

/** Bundles a script for pages as `page.js`, and what it loads later beside it. */
export async function bundlePage(entry: string): Promise<RolldownOutput> {
  const build = await rolldown({
    input: { page: entry },
    platform: 'browser',
    // What is loaded later takes what it shares from the page's own script, not from a third file.
    preserveEntrySignatures: 'allow-extension',
    plugins: [
      {
        name: 'backends of pages',
        async resolveId(source, importer) {
          const found = await this.resolve(source, importer, { skipSelf: true })
          return found === null ? null : (inPages[found.id] ?? found)
        },
      },
    ],
  })
  try {
    return await build.generate({ format: 'esm', minify: true })
  } finally {
    await build.close()
  }
}
