/** A chain on this machine with a token that moves by signed authorizations (ERC-3009): what stock methods settle on. */

import type { FacilitatorClient } from '@x402/core/http'
import { toFacilitatorEvmSigner } from '@x402/evm'
import { ExactEvmScheme } from '@x402/evm/exact/facilitator'
import solc from 'solc'
import {
  createWalletClient,
  type Hex,
  type HttpTransport,
  http,
  type PublicActions,
  parseAbi,
  publicActions,
  type WalletClient,
} from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { startAnvil } from '../../src/chain/anvil.ts'
import { onEnd } from '../e2e/town.ts'

export interface TokenChain {
  /** As x402 names it. */
  readonly network: `eip155:${number}`
  readonly chainId: number
  readonly token: Hex
  /** Who has a million tokens of six decimals. */
  readonly payer: PrivateKeyAccount
  readonly payee: Hex
  /** Of x402's `exact`, on this chain. */
  readonly facilitator: FacilitatorClient
  balanceOf(account: Hex): Promise<bigint>
  /** Moves tokens as their owner has signed it. */
  transfer(authorization: Authorization): Promise<Hex>
}

export interface Authorization {
  readonly from: string
  readonly to: string
  readonly value: string
  readonly validAfter: string
  readonly validBefore: string
  readonly nonce: string
  readonly signature: string
}

export const tokenDomain = { name: 'Test Dollar', version: '1' }

type Client = WalletClient<HttpTransport, typeof foundry, PrivateKeyAccount> &
  PublicActions<HttpTransport, typeof foundry, PrivateKeyAccount>

export async function openTokenChain(): Promise<TokenChain> {
  const anvil = await startAnvil()
  onEnd(() => anvil.stop())
  const [operator, payer, payee] = [1, 2, 3].map(() => privateKeyToAccount(generatePrivateKey())) as [
    PrivateKeyAccount,
    PrivateKeyAccount,
    PrivateKeyAccount,
  ]
  await anvil.fund(operator.address, 10n ** 18n)
  const client: Client = createWalletClient({ account: operator, chain: foundry, transport: http(anvil.url) }).extend(
    publicActions,
  )
  const token = await deploy(client, payer.address)
  const network = `eip155:${anvil.chainId}` as const
  const exact = new ExactEvmScheme(toFacilitatorEvmSigner({ ...client, address: operator.address } as never))
  return {
    network,
    chainId: anvil.chainId,
    token,
    payer,
    payee: payee.address,
    facilitator: {
      verify: (payload, requirements) => exact.verify(payload, requirements),
      settle: (payload, requirements) => exact.settle(payload, requirements),
      getSupported: async () => ({
        kinds: [{ x402Version: 2, scheme: 'exact', network }],
        extensions: [],
        signers: { 'eip155:*': [operator.address] },
      }),
    },
    balanceOf: (account) => client.readContract({ address: token, abi, functionName: 'balanceOf', args: [account] }),
    async transfer({ from, to, value, validAfter, validBefore, nonce, signature }) {
      const [r, s] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`] as [Hex, Hex]
      const hash = await client.writeContract({
        address: token,
        abi,
        functionName: 'transferWithAuthorization',
        args: [
          from as Hex,
          to as Hex,
          BigInt(value),
          BigInt(validAfter),
          BigInt(validBefore),
          nonce as Hex,
          Number.parseInt(signature.slice(130), 16),
          r,
          s,
        ],
      })
      const { status } = await client.waitForTransactionReceipt({ hash })
      if (status !== 'success') throw new Error('the chain did not move the tokens')
      return hash
    },
  }
}

const abi = parseAbi([
  'constructor(address owner)',
  'function balanceOf(address) view returns (uint256)',
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)',
])

const source = `// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;
contract Token {
    string public constant name = "${tokenDomain.name}";
    string public constant version = "${tokenDomain.version}";
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(bytes32 => bool)) public authorizationState;
    event Transfer(address indexed from, address indexed to, uint256 value);
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    constructor(address owner) { balanceOf[owner] = 1e12; }
    function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore,
        bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
        require(block.timestamp > validAfter && block.timestamp < validBefore, "authorization expired");
        require(!authorizationState[from][nonce], "authorization used");
        bytes32 domain = keccak256(abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256(bytes(name)), keccak256(bytes(version)), block.chainid, address(this)));
        bytes32 message = keccak256(abi.encode(
            keccak256("TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"),
            from, to, value, validAfter, validBefore, nonce));
        require(ecrecover(keccak256(abi.encodePacked("\\x19\\x01", domain, message)), v < 27 ? v + 27 : v, r, s) == from, "invalid signature");
        authorizationState[from][nonce] = true;
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit AuthorizationUsed(from, nonce);
        emit Transfer(from, to, value);
    }
}`

async function deploy(client: Client, owner: Hex): Promise<Hex> {
  const settings = {
    viaIR: true,
    optimizer: { enabled: true },
    outputSelection: { 'Token.sol': { Token: ['evm.bytecode.object'] } },
  }
  const input = { language: 'Solidity', sources: { 'Token.sol': { content: source } }, settings }
  const { contracts, errors = [] } = JSON.parse(solc.compile(JSON.stringify(input))) as {
    contracts?: Record<string, Record<string, { evm: { bytecode: { object: string } } }>>
    errors?: readonly { readonly formattedMessage: string }[]
  }
  const object = contracts?.['Token.sol']?.Token?.evm.bytecode.object
  if (object === undefined) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
  const hash = await client.deployContract({ abi, bytecode: `0x${object}`, args: [owner] })
  const { contractAddress } = await client.waitForTransactionReceipt({ hash })
  return contractAddress!
}
