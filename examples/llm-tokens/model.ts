/** A language model, small enough to read: from each word it knows which ones followed it. It never runs out of words. */

import { setTimeout as sleep } from 'node:timers/promises'

const lessons = `a payment is small and a channel is long and a channel is paid by the token and a token is small
and the vendor sends a token and the client sends a coin and the coin is a secret of the client and the bank
pays the vendor and the client keeps the rest and the rest is credit and the credit is paid by the bank`

const followers = new Map<string, string[]>()
const words = lessons.split(/\s+/)
for (const [at, word] of words.entries()) {
  const next = words[(at + 1) % words.length]!
  followers.set(word, [...(followers.get(word) ?? []), next])
}

/** Goes on from the last word of a prompt that it knows. */
export async function* complete(prompt: string): AsyncGenerator<string> {
  let word = prompt.split(/\W+/).findLast((asked) => followers.has(asked)) ?? 'the'
  for (;;) {
    const next = followers.get(word)!
    word = next[Math.floor(Math.random() * next.length)]!
    await sleep(20)
    yield `${word} `
  }
}
