import { type Field, type Form, type JsonSchema, type Path, secretVariableOf, variableOf } from './field.ts'
import { configField } from './shape.ts'

/** One setting of the file, for those who describe or look for it. */
export interface Setting {
  /** `vendor.routes[].path` */
  readonly path: string
  readonly says: string
  readonly form: Extract<Form, { kind: 'value' }>
  /** Environment variables that give it. */
  readonly variables: readonly string[]
}

/** A section of the file, with what stands directly in it. */
export interface SettingGroup {
  /** Empty for the file itself. */
  readonly path: string
  readonly says: string
  readonly isList: boolean
  readonly settings: readonly Setting[]
}

export function settingsOf(): readonly Setting[] {
  return groupsOf().flatMap(({ settings }) => settings)
}

/** Every section, in the order of the file, each before those inside it. */
export function groupsOf(): readonly SettingGroup[] {
  return groups(configField, [], false)
}

function groups(field: Field<unknown>, path: Path, inList: boolean): readonly SettingGroup[] {
  const { form, says } = field
  switch (form.kind) {
    case 'value':
      return []
    case 'list': {
      const at = [...path.slice(0, -1), `${path.at(-1) ?? ''}[]`]
      return groups({ ...form.of, says }, at, true).map((group, index) =>
        index === 0 ? { ...group, isList: true } : group,
      )
    }
    case 'section': {
      const inside = Object.entries(form.fields)
      const settings = inside.flatMap(([name, each]) =>
        each.form.kind === 'value' ? [settingOf(each.says, each.form, [...path, name], inList)] : [],
      )
      const nested = inside.flatMap(([name, each]) => groups(each, [...path, name], inList))
      return [{ path: path.join('.'), says, isList: false, settings }, ...nested]
    }
  }
}

function settingOf(says: string, form: Setting['form'], path: Path, inList: boolean): Setting {
  const variable = inList || form.byEnvironment === 'no' ? [] : [variableOf(path)]
  const secret = !inList && form.byEnvironment === 'key' ? [secretVariableOf(path)] : []
  return { path: path.join('.'), says, form, variables: [...variable, ...secret] }
}

/** JSON Schema 2020-12 of the file, for editors. */
export function jsonSchema(): JsonSchema {
  const { properties = {}, ...rest } = schemaOf(configField)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Config file of lockstep',
    ...rest,
    properties: { $schema: { type: 'string' }, ...(properties as JsonSchema) },
  }
}

function schemaOf({ form, says: description }: Field<unknown>): JsonSchema {
  switch (form.kind) {
    case 'value':
      return { description, ...form.schema, ...(form.fallback !== undefined && { default: form.fallback }) }
    case 'list':
      return { description, type: 'array', ...(form.isRequired && { minItems: 1 }), items: schemaOf(form.of) }
    case 'section':
      // Nothing is required: the environment may give it.
      return {
        description,
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(Object.entries(form.fields).map(([name, field]) => [name, schemaOf(field)])),
      }
  }
}
