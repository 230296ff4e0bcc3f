import { groupsOf, type Setting, type SettingGroup } from './settings.ts'

/** `docs/reference/config.md`: made from the fields themselves, so that it cannot say anything else than what is read. */
export function configReference(): string {
  return `# The config file

One JSON file for every role that runs on a machine: \`lockstep bank --config FILE\` reads \`bank\`, \`lockstep vendor --config FILE\`
reads \`vendor\`. Whatever has a default may be left out. Relative paths start where the file is. Editors check the file
as you write it with \`"$schema": "…/docs/reference/config.schema.json"\`, which is [beside this page](config.schema.json).

An environment variable overrides its setting; its relative paths start where the process does. A list is given with commas. A
name that starts as one of these and is none is refused, so that a misspelt one is not ignored (on Kubernetes, where services
named \`lockstep-bank\` make such variables, set \`enableServiceLinks: false\`).

Secrets are in files, or in the environment, never in this file and never in an argument: for each \`…_KEY_FILE\` that names a
file there is a \`…_KEY\` that holds the 64 hex digits themselves.

What is wrong is said in one line: the file, the field, what was expected, what was found.

This page is made from the source by \`node scripts/config.ts\`.
${groupsOf()
  .filter(({ path, settings }) => path !== '' && (settings.length > 0 || !path.includes('.')))
  .map(groupText)
  .join('')}`
}

function groupText({ path, says, isList, settings }: SettingGroup): string {
  const of = isList ? ' Each entry has:' : ''
  return `
## \`${path}\`

${says}${of}

| field | default | expected | environment |
| --- | --- | --- | --- |
${settings.map(settingText).join('\n')}
`
}

function settingText({ path, says, form, variables }: Setting): string {
  const name = path.slice(path.lastIndexOf('.') + 1)
  const fallback = form.isRequired
    ? '**required**'
    : form.fallback === undefined
      ? ''
      : code(JSON.stringify(form.fallback))
  return `| \`${name}\`: ${cell(says)} | ${fallback} | ${cell(form.expected)} | ${variables.map(code).join(', ')} |`
}

function code(text: string): string {
  return `\`${cell(text)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
