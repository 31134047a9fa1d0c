/** The process of one operation: test/support/pulumi.ts. */
import { operate } from "../../rehearsal/automation";
import { answerRequest } from "../../rehearsal/operation";
import type { TestRequest } from "./pulumi";

answerRequest<TestRequest>(process.argv[2] ?? "", ({ operation, module, args, ...job }) =>
    operate({ ...job, program: () => require(module).program(args), tell: (line) => console.log(line) }, operation),
);
