/** For .mocharc.json, which can only name a file: see temporary-folder.ts. */
import { ownTemporaryFolder } from "./temporary-folder";

ownTemporaryFolder();
