import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { temporaryPath } from '../bank/support.ts'
import { launch, lockstep } from './processes.ts'

test('lockstep dev is a whole town: something of each kind is bought in it, and it goes on where it was', async () => {
  const folder = temporaryPath('town')
  for (const round of [1, 2]) {
    const { child, ended } = launch(['dev', '--json', '--dir', folder, '--port', '0', '--bank-port', '0'])
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
    const town = JSON.parse(line) as {
      bank: string
      vendor: string
      faucet: string
      wallet: { store: string; account: string }
    }
    const place = ['--bank', town.bank, '--store', town.wallet.store]
    const paid = async (...args: string[]): Promise<{ charged: string }[]> => {
      const { code, stdout, stderr } = await lockstep(['pay', ...args, ...place, '--json'])
      expect({ code, stderr }).toMatchObject({ code: 0 })
      return (JSON.parse(stdout) as { payments: { charged: string }[] }).payments
    }
    expect(await paid(`${town.vendor}/joke`)).toMatchObject([{ charged: '0.001' }])
    expect(await paid(`${town.vendor}/count`, '-d', 'four words and more')).toMatchObject([{ charged: '0.0004' }])
    const stream = await lockstep(['pay', `${town.vendor}/tokens`, '--stream', '--max', '0.0002', ...place])
    expect(stream.code).toBe(0)
    expect(stream.stdout.trim().split(' ')).toEqual('Once upon a time a vendor sold words, one by'.split(' '))
    const plain = await lockstep(['pay', `${town.vendor}/tokens`, ...place])
    expect(plain).toMatchObject({ code: 1, stdout: expect.stringContaining('/tokens is a stream') as string })
    expect(plain.stderr).toMatch(/^nothing was paid\n/)
    const faucet = await fetch(town.faucet, { method: 'POST', body: town.wallet.account })
    expect(await faucet.text()).toContain('10 USD of test money')
    expect((await fetch(town.vendor)).headers.get('Content-Type')).toMatch(/^text\//)
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
    expect(round).toBeLessThan(3)
  }
})

test('lockstep dev says in one line where its folder cannot be', async () => {
  const file = temporaryPath('file')
  writeFileSync(file, '')
  const { code, stderr } = await lockstep(['dev', '--dir', join(file, 'town'), '--port', '0', '--bank-port', '0'])
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /^lockstep: .*town cannot be made \(ENOTDIR\): name another folder with --dir\n$/,
    ) as string,
  })
})
