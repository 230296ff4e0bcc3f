import type { Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { OpenedJournal } from '../../src/client/journal/contract.ts'
import { paymentOf, proposed, state } from '../stores/journalChannels.ts'
import { journalLaws } from '../stores/journalLaws.ts'
import { bundle, openBrowser, servePage, temporaryProfile } from './browser.ts'
import type { Outcome } from './journalPage.ts'

let site: { readonly url: string; readonly server: Server }
let context: BrowserContext
const profile = temporaryProfile()

beforeAll(async () => {
  site = await servePage(await bundle(fileURLToPath(new URL('./journalPage.ts', import.meta.url))))
  context = await openBrowser(profile.path)
})

afterEach(async () => {
  // Every test finds an empty origin.
  const page = await openPage()
  for (const other of context.pages()) if (other !== page) await other.close()
  await page.evaluate(() =>
    Promise.all(
      ['test', 'test.generation'].map(
        (name) =>
          new Promise((resolve, reject) => {
            const request = indexedDB.deleteDatabase(name)
            request.onsuccess = resolve
            request.onerror = reject
            request.onblocked = reject
          }),
      ),
    ),
  )
})

afterAll(async () => {
  await context.close()
  site.server.close()
  profile.remove()
})

async function openPage(): Promise<Page> {
  const page = await context.newPage()
  await page.goto(site.url)
  await page.waitForFunction('globalThis.call !== undefined')
  return page
}

async function ask<T>(page: Page, name: string, ...values: readonly unknown[]): Promise<T> {
  const outcome = await page.evaluate(
    ([method, passed]) =>
      (globalThis as unknown as { call(method: string, values: unknown): Promise<Outcome> }).call(method, passed),
    [name, values] as const,
  )
  if ('error' in outcome) throw Object.assign(new Error(outcome.error.message), outcome.error)
  return outcome.value as T
}

/** A journal in a page, with its methods here. */
async function openIn(page: Page): Promise<OpenedJournal> {
  const { generation, stale } = await ask<Pick<OpenedJournal, 'generation' | 'stale'>>(page, 'open')
  return {
    generation,
    stale,
    channels: () => ask(page, 'channels'),
    retired: () => ask(page, 'retired'),
    ended: () => ask(page, 'ended'),
    end: (channelId, outcome) => ask(page, 'end', channelId, outcome),
    payments: (channelId) => ask(page, 'payments', channelId),
    propose: (channel) => ask(page, 'propose', channel),
    commit: (channelId, next, payment, answered) => ask(page, 'commit', channelId, next, payment, answered),
    recall: (name) => ask(page, 'recall', name),
    note: (name, value) => ask(page, 'note', name, value),
    close: () => ask(page, 'close'),
  }
}

describe('a client’s journal in a browser', () => {
  journalLaws(async () => {
    const page = await openPage()
    const journal = await openIn(page)
    return {
      journal,
      contents: () => ask(page, 'entries', 'test'),
      reopen: async () => {
        await journal.close()
        return openIn(page)
      },
    }
  })

  test('is refused to another page while it is open, and given when that page is gone', async () => {
    const first = await openPage()
    await openIn(first)
    const second = await openPage()
    await expect(openIn(second)).rejects.toMatchObject({
      fault: 'held',
      message: expect.stringMatching(/Another page.*Close it/) as string,
    })
    await first.close()
    expect(await openIn(second)).toMatchObject({ generation: 2n, stale: undefined })
  })

  test('keeps what it committed when its tab is killed', async () => {
    const page = await openPage()
    const journal = await openIn(page)
    const channel = proposed('one')
    await journal.propose(channel)
    await journal.commit(channel.channelId, state(1), [paymentOf(1)])
    await crash(page)
    const next = await openIn(await openPage())
    expect(next).toMatchObject({ generation: 2n, stale: undefined })
    expect(await next.channels()).toEqual([{ ...channel, state: state(1) }])
    expect(await next.payments(channel.channelId)).toEqual([paymentOf(1)])
  })

  test('that was put back from an old copy signs nothing and gives out no secret', async () => {
    const page = await openPage()
    const journal = await openIn(page)
    const channel = proposed('one')
    await journal.propose(channel)
    const copy = await ask(page, 'entries', 'test')
    await journal.commit(channel.channelId, state(1), [paymentOf(1)])
    await journal.close()
    await ask(page, 'restore', 'test', copy)

    const restored = await openIn(page)
    expect(restored.stale).toMatch(/older copy/)
    expect(await restored.channels()).toEqual([])
    const { channelKey, channelSeed, ...known } = channel
    expect(await restored.retired()).toEqual([{ ...known, state: undefined, reason: restored.stale }])
    await expect(restored.commit(channel.channelId, state(1), [paymentOf(1)])).rejects.toThrow('retired')
    const kept = JSON.stringify(await ask(page, 'entries', 'test'), (_, value: unknown) =>
      value instanceof Uint8Array ? [...value].join() : String(value) === '[object Object]' ? value : value?.toString(),
    )
    for (const secret of [channelKey, channelSeed]) expect(kept).not.toContain([...secret].join())
  })
})

/** Ends the process of a page as a crash does: nothing of it runs any more. */
async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash')
  page.goto('chrome://crash').catch(() => undefined)
  await crashed
  await page.close()
}
