import { type Command, parseOptions } from '../command.ts'
import { configHelp, configOption, loadConfig } from '../service/config.ts'

export const vendor: Command = {
  name: 'vendor',
  summary: 'run a vendor: sell files, or what a module of yours serves',
  help: `usage: lockstep vendor --config FILE

Runs the vendor that FILE describes until SIGTERM or SIGINT, which ends what runs, makes it durable and exits 0. It sells the
routes of FILE, each a file or an echo, and the routes and streams that a module exports. By itself it claims from the
bank what channels were charged, before their deadlines.

One JSON line on stdout says where it listens; its log is JSON lines on stderr. /healthz, /readyz and /metrics are on a port of
their own.

${configHelp}

examples:
  lockstep keys vendor.key --new
  lockstep keys frame.key --new
  lockstep vendor --config lockstep.json`,
  async run(args, output) {
    const { values } = parseOptions(args, configOption)
    const config = loadConfig(values.config)
    const [{ runService }, { startVendor }] = await Promise.all([
      import('../service/run.ts'),
      import('../../ops/service/vendorService.ts'),
    ])
    return runService('vendor', config, output, startVendor)
  },
}
