import { catalogFileJsonSchema } from '../../services/router/dist/catalog/catalog-file.schema.js';

/** docs/reference/catalog.schema.json. */
export function catalogSchema() {
  return `${JSON.stringify(catalogFileJsonSchema(), undefined, 2)}\n`;
}
