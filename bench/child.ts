/** Measures one variant and prints what it took: `node --expose-gc bench/child.ts NAME COUNT WARM_UPS SAMPLES`. */

import { native } from '../src/crypto/backend.ts'
import { variantNames, variants } from './catalogue.ts'
import { measure } from './measure.ts'

const [wanted, ...numbers] = process.argv.slice(2)
const name = variantNames.find((known) => known === wanted)
const [count, warmUps, samples] = numbers.map((text) => Number.parseInt(text, 10))
if (name === undefined || count === undefined || warmUps === undefined || samples === undefined) {
  throw new Error('usage: child.ts NAME COUNT WARM_UPS SAMPLES')
}
const { backend, load } = variants[name]
if (backend === 'native' && native === undefined) {
  process.stdout.write(JSON.stringify({ missing: 'secp256k1 is not built for this machine' }))
} else {
  process.stdout.write(JSON.stringify(await measure(await load(), { count, warmUps, samples })))
}
