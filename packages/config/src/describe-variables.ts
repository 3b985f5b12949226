import { z } from 'zod'
import { layersOf, piecesOf, sourceOf } from './variable-source.ts'

export type VariableDescription = {
  name: string
  description: string
  /** As one would write it. */
  default?: string
  /** Must be set: there is neither a default nor a meaning to its absence. */
  required: boolean
  /** Also read from the file that `NAME_FILE` names. */
  secret: boolean
}

/** What documentation says about each variable of a schema, in the schema's order. */
export function describeVariables(schema: z.ZodObject): VariableDescription[] {
  return piecesOf(schema).map(([name, piece]) => {
    const layers = [...layersOf(piece)]
    const preset = layers.flatMap(presetOf)[0]
    return {
      name,
      description: layers.map((layer) => z.globalRegistry.get(layer)?.description).find(Boolean) ?? '',
      ...(preset !== undefined && { default: preset }),
      required: !z.safeParse(piece, undefined).success,
      secret: sourceOf(piece) === 'secret',
    }
  })
}

function presetOf(layer: z.core.$ZodType): string[] {
  const { defaultValue } = layer._zod.def as { defaultValue?: unknown }
  return typeof defaultValue === 'string' ? [defaultValue] : []
}
