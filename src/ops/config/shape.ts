import type { LockSchemeName } from '../../crypto/locks.ts'
import { type Field, list, optional, optionalSection, required, section, withDefault } from './field.ts'
import { type KeySource, keyField, optionalKeyField } from './keys.ts'
import {
  address,
  asset,
  baseUnits,
  flag,
  host,
  label,
  matching,
  network,
  nodeAddress,
  path,
  port,
  publicKey,
  seconds,
  several,
  store,
  webAddress,
  whole,
  word,
} from './kinds.ts'

/** Everything that a config file says, with the environment laid over it and every default filled in. */
export interface Config {
  readonly log: LogConfig
  readonly bank: BankConfig | undefined
  readonly vendor: VendorConfig | undefined
  readonly client: ClientConfig | undefined
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
}

/** Where a service listens. */
export interface Listening {
  readonly host: string
  readonly port: number
}

export interface BankConfig extends Listening {
  readonly keyFile: KeySource
  /** A path, or a PostgreSQL address. */
  readonly store: string
  readonly network: string | undefined
  readonly assets: readonly string[]
  readonly rules: BankRulesConfig
  readonly limits: BankLimitsConfig
  readonly registration: readonly RegistrationConfig[]
  readonly chain: ChainConfig
  readonly jobs: BankJobsConfig
  readonly ops: Listening
  readonly adminSocket: string
  readonly shutdownSeconds: number
}

export interface BankRulesConfig {
  readonly fundsMin: bigint
  readonly openedWithinSeconds: number
  readonly lifeMinSeconds: number
  readonly lifeMaxSeconds: number
  readonly graceMinSeconds: number
  readonly graceMaxSeconds: number
  readonly reputationNew: number
}

export interface ChainConfig {
  readonly kind: 'embedded' | 'evm'
  readonly rpcUrl: string | undefined
  readonly chainId: number | undefined
  readonly registry: `0x${string}` | undefined
  readonly recorderKeyFile: KeySource | undefined
  readonly fromBlock: number
  readonly confirmations: number
}

export interface BankLimitsConfig {
  readonly openChannelsMax: number
  readonly commandLifeMaxSeconds: number
}

/** What a key locks to make itself an account. */
export interface RegistrationConfig {
  readonly asset: string
  readonly depositMin: bigint
}

export interface BankJobsConfig {
  readonly recordEverySeconds: number
  readonly expireEverySeconds: number
  readonly reviewEverySeconds: number
  readonly auditEverySeconds: number
}

export interface VendorConfig extends Listening {
  readonly publicUrl: string | undefined
  readonly keyFile: KeySource
  readonly frameKeyFile: KeySource
  readonly store: string
  readonly node: string | undefined
  readonly retentionDays: number
  readonly answerSeconds: number
  readonly identity: string
  readonly banks: readonly BankAddress[]
  readonly network: string
  readonly asset: string
  readonly unitPrice: bigint
  readonly segmentLength: number
  readonly lockSchemes: readonly LockSchemeName[]
  readonly lifeMinSeconds: number
  readonly graceMinSeconds: number
  readonly routes: readonly RouteConfig[]
  readonly module: string | undefined
  readonly jobs: VendorJobsConfig
  readonly ops: Listening
  readonly adminSocket: string
  readonly shutdownSeconds: number
}

export interface BankAddress {
  readonly key: Uint8Array
  readonly url: string
}

export interface RouteConfig {
  readonly method: string
  readonly path: string
  readonly price: bigint
  readonly file: string | undefined
  readonly contentType: string | undefined
  readonly echo: boolean
}

export interface VendorJobsConfig {
  readonly closeEverySeconds: number
  readonly closeMarginSeconds: number
  readonly archiveEverySeconds: number
  readonly clockEverySeconds: number
}

export interface ClientConfig {
  readonly journal: string
  readonly keyFile: KeySource
  readonly bank: BankAddress
}

const day = 86_400

const ops = (fallback: number): Field<Listening> =>
  section<Listening>(
    {
      host: withDefault(
        host,
        '127.0.0.1',
        'Address of health, readiness and metrics. They say nothing secret, and are for no customer.',
      ),
      port: withDefault(port, fallback, 'Port of `/healthz`, `/readyz` and `/metrics`.'),
    },
    'Health, readiness and metrics.',
  )

const shutdownSeconds = (): Field<number> =>
  withDefault(seconds(1, 600), 10, 'What answers under way may take once SIGTERM or SIGINT came.')

const bankAddress = {
  key: required(publicKey, 'The bank’s public key.'),
  url: required(webAddress, 'Where the bank answers.'),
}

const bank: Field<BankConfig | undefined> = optionalSection<BankConfig>(
  {
    host: withDefault(
      host,
      '127.0.0.1',
      'Address to listen on. TLS is required outside loopback: put a reverse proxy before it.',
    ),
    port: withDefault(port, 7400, 'Port to listen on.'),
    keyFile: keyField('The bank’s secret key. It signs every grant: who has it can open channels that nobody funded.'),
    store: withDefault(store, 'bank.db', 'The books: an SQLite file, or a PostgreSQL database.'),
    network: optional(
      network,
      'As in the terms of channels. Left out: `lockstep:local`, or `eip155:` and the chain’s id.',
    ),
    assets: withDefault(several(asset, 'assets as CODE/decimals'), ['USD/6'], 'What accounts and channels hold.'),
    rules: section<BankRulesConfig>(
      {
        fundsMin: withDefault(baseUnits, '1', 'The least that a channel may hold, in base units.'),
        openedWithinSeconds: withDefault(
          seconds(1, 3600),
          300,
          'How far a channel’s opening may be from the bank’s clock.',
        ),
        lifeMinSeconds: withDefault(seconds(1, 366 * day), 60, 'The shortest life of a channel.'),
        lifeMaxSeconds: withDefault(seconds(1, 3660 * day), 366 * day, 'The longest life of a channel.'),
        graceMinSeconds: withDefault(seconds(1, 366 * day), 60, 'The shortest time to claim after a channel’s end.'),
        graceMaxSeconds: withDefault(
          seconds(1, 366 * day),
          30 * day,
          'The longest time to claim after a channel’s end.',
        ),
        reputationNew: withDefault(
          whole(0, 100),
          60,
          'What a new account starts with. A channel needs more than 50 from both sides.',
        ),
      },
      'What the bank demands before it opens a channel. It publishes this.',
    ),
    limits: section<BankLimitsConfig>(
      {
        openChannelsMax: withDefault(whole(1, 1_000_000), 1000, 'Channels that an account may have open at once.'),
        commandLifeMaxSeconds: withDefault(seconds(60, 30 * day), day, 'How long a signed command may be valid.'),
      },
      'What the bank lets one account do.',
    ),
    registration: list<RegistrationConfig>(
      {
        asset: required(asset, 'What is locked.'),
        depositMin: required(baseUnits, 'How much of it, in base units.'),
      },
      'With what a key may register itself, by locking it. Left out: the operator alone registers accounts.',
    ),
    chain: section<ChainConfig>(
      {
        kind: withDefault(
          word(['embedded', 'evm']),
          'embedded',
          'Where settled channels are recorded: the bank’s own signed log, or a registry contract.',
        ),
        rpcUrl: optional(nodeAddress, 'A node of the chain. For `evm`.'),
        chainId: optional(whole(1, Number.MAX_SAFE_INTEGER), 'The chain’s id. For `evm`.'),
        registry: optional(address, 'The contract. For `evm`.'),
        recorderKeyFile: optionalKeyField(
          'Secret key of the one account that may record, which pays for gas. For `evm`.',
        ),
        fromBlock: withDefault(
          whole(0, Number.MAX_SAFE_INTEGER),
          0,
          'The block of the contract’s deployment. For `evm`.',
        ),
        confirmations: withDefault(whole(1, 1000), 1, 'Blocks that a record waits for, its own included. For `evm`.'),
      },
      'Where settled channels are recorded.',
    ),
    jobs: section<BankJobsConfig>(
      {
        recordEverySeconds: withDefault(
          seconds(1, 30 * day),
          300,
          'How often settled channels are recorded, in one batch.',
        ),
        expireEverySeconds: withDefault(seconds(1, day), 60, 'How often channels past their deadline are given back.'),
        reviewEverySeconds: withDefault(seconds(1, day), 600, 'How often releases that were withheld are looked for.'),
        auditEverySeconds: withDefault(
          seconds(0, 30 * day),
          900,
          'How often a second process audits the books; 0 never does.',
        ),
      },
      'What the bank does by itself.',
    ),
    ops: ops(7401),
    adminSocket: withDefault(
      path,
      'bank.sock',
      'The Unix socket of `lockstep bank register`, `deposit` and the others. For its owner alone.',
    ),
    shutdownSeconds: shutdownSeconds(),
  },
  '`lockstep bank`.',
)

const vendor: Field<VendorConfig | undefined> = optionalSection<VendorConfig>(
  {
    host: withDefault(
      host,
      '127.0.0.1',
      'Address to listen on. TLS is required outside loopback: put a reverse proxy before it.',
    ),
    port: withDefault(port, 7500, 'Port to listen on.'),
    publicUrl: optional(webAddress, 'Where clients reach the vendor: payments name it. Needed behind a proxy.'),
    keyFile: keyField('Secret of the settlement key, which claims from the bank. Its account at the bank is paid.'),
    frameKeyFile: keyField('Secret of the frame key, which reads payments. Another one than the settlement key.'),
    store: withDefault(store, 'vendor.db', 'Every payment: an SQLite file, or a PostgreSQL database.'),
    node: optional(
      matching(/^[\x21-\x7e]{1,200}$/, 'a name without spaces'),
      'Name of this process among those that share the store, another one for each. Channels are then leased.',
    ),
    retentionDays: withDefault(
      whole(0, 36_500),
      400,
      'How long after its deadline a closed channel is kept, with its receipts.',
    ),
    answerSeconds: withDefault(
      seconds(0, 366 * day),
      day,
      'How long an answer is kept for a request that comes again. Its payment stays paid: later it is told that the answer is gone.',
    ),
    identity: withDefault(
      label,
      'a vendor',
      'Who the vendor is. Terms hold a commitment to it, salted from the settlement key.',
    ),
    banks: list<BankAddress>(bankAddress, 'Banks whose channels are taken.', { isRequired: true }),
    network: withDefault(network, 'lockstep:local', 'As in the terms of channels: the banks’ own.'),
    asset: withDefault(asset, 'USD/6', 'What prices are in.'),
    unitPrice: withDefault(baseUnits, '1', 'The price of a coin, in base units.'),
    segmentLength: withDefault(whole(1, 1024), 1024, 'Coins in a segment.'),
    lockSchemes: withDefault(
      several(word(['schnorr', 'ecdsa-xor'] as const), 'lock schemes: schnorr, ecdsa-xor'),
      ['schnorr', 'ecdsa-xor'],
      'What receipts may be locked with.',
    ),
    lifeMinSeconds: withDefault(
      seconds(1, 366 * day),
      3600,
      'How long a channel must still live when it is first shown.',
    ),
    graceMinSeconds: withDefault(seconds(1, 366 * day), 3600, 'The least time to claim after a channel’s end.'),
    routes: list<RouteConfig>(
      {
        method: withDefault(word(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']), 'GET', 'The method.'),
        path: required(
          matching(/^\/\S{0,199}$/, 'a path such as /report or /lines/:number'),
          'A segment `:name` stands for any one.',
        ),
        price: required(baseUnits, 'For one request, in base units.'),
        file: optional(path, 'Answers with this file.'),
        contentType: optional(
          matching(/^[\x20-\x7e]{1,100}$/, 'a media type such as text/plain'),
          'Of the file. Left out: by its name.',
        ),
        echo: withDefault(flag, false, 'Answers with the body of the request.'),
      },
      'What is sold by the request: each a file, or an echo.',
    ),
    module: optional(
      path,
      'A JavaScript or TypeScript module that exports `routes`, `streams`, or both, for what a file cannot say.',
    ),
    jobs: section<VendorJobsConfig>(
      {
        closeEverySeconds: withDefault(seconds(1, day), 60, 'How often the vendor looks for channels to claim.'),
        closeMarginSeconds: withDefault(seconds(1, 30 * day), 1800, 'How long before its end a channel is claimed.'),
        archiveEverySeconds: withDefault(
          seconds(1, day),
          3600,
          'How often the vendor packs the payments of closed channels, and forgets old ones.',
        ),
        clockEverySeconds: withDefault(
          seconds(1, 3600),
          60,
          'How often the vendor asks its banks for the time, by which channels end.',
        ),
      },
      'What the vendor does by itself.',
    ),
    ops: ops(7501),
    adminSocket: withDefault(path, 'vendor.sock', 'The Unix socket of `lockstep channels close`. For its owner alone.'),
    shutdownSeconds: shutdownSeconds(),
  },
  '`lockstep vendor`.',
)

const client: Field<ClientConfig | undefined> = optionalSection<ClientConfig>(
  {
    journal: withDefault(path, 'client.db', 'What the wallet signed: an SQLite file.'),
    keyFile: keyField('Secret key of the account at the bank.'),
    bank: section<BankAddress>(bankAddress, 'The bank that holds the deposit.'),
  },
  'A wallet, for `lockstep channels` and `lockstep doctor`.',
)

/** The whole file. */
export const configField: Field<Config> = section<Config>(
  {
    log: section<LogConfig>(
      { level: withDefault(word(['debug', 'info', 'warn', 'error']), 'info', 'The least that is logged.') },
      'JSON lines on stderr.',
    ),
    bank,
    vendor,
    client,
  },
  'One file for every role that runs on a machine; a role reads its own section.',
)
