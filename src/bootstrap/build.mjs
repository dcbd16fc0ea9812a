// `npm run build`: builds whatever was built before, and notes when, so that `npm start` and `npm test` take it as it is.
import { build } from './ensure.mjs';

build();
