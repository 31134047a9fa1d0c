/**
 * Writes inputs.json: what the real providers take and return, for the resource types of this program. Its source are the
 * typings of the installed @pulumi packages, which Pulumi generates from each provider's schema.
 *
 *     node --require tsx/cjs rehearsal/providers/write-inputs.ts
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { INPUTS_FILE, type ResourceShape, SHAPES_OF, type Shape } from "./shapes";

const MODULES = join(__dirname, "..", "..", "node_modules", "@pulumi");

/** The shapes of all resource types, read from the typings. */
function readShapes(): Record<string, ResourceShape> {
    const files = Object.values(SHAPES_OF).map((path) => join(MODULES, `${path}.d.ts`));
    const program = ts.createProgram(files, { strict: true, skipLibCheck: true, types: [] });
    const checker = program.getTypeChecker();
    return Object.fromEntries(
        Object.entries(SHAPES_OF).map(([token, path]) => {
            const source = program.getSourceFile(join(MODULES, `${path}.d.ts`));
            if (!source) throw new Error(`${path}.d.ts is not among the typings of ${token}`);
            const name = token.slice(token.lastIndexOf(":") + 1);
            const declared = (wanted: string) => {
                const found = source.statements.find(
                    (statement): statement is ts.InterfaceDeclaration | ts.ClassDeclaration =>
                        (ts.isInterfaceDeclaration(statement) || ts.isClassDeclaration(statement)) &&
                        statement.name?.text === wanted,
                );
                if (!found) throw new Error(`${path}.d.ts has no ${wanted}`);
                return found;
            };
            const isProvider = token.startsWith("pulumi:providers:");
            const inputs = shapeOf(
                checker,
                checker.getTypeAtLocation(declared(`${isProvider ? "Provider" : name}Args`)),
            );
            const outputs = declared(isProvider ? "Provider" : name).members.flatMap((member) =>
                ts.isPropertyDeclaration(member) && ts.isIdentifier(member.name) && !isStatic(member)
                    ? [member.name.text]
                    : [],
            );
            return [token, { inputs: inputs as Record<string, Shape>, outputs }];
        }),
    );
}

function isStatic(member: ts.PropertyDeclaration): boolean {
    return ts.getCombinedModifierFlags(member) !== ts.ModifierFlags.Readonly;
}

/** Inputs are unions with promises and outputs of themselves: what is left without those is the plain type. */
function shapeOf(checker: ts.TypeChecker, type: ts.Type): Shape {
    const parts = (type.isUnion() ? type.types : [type]).filter((part) => !isWrapper(part) && !isNothing(part));
    const flags = parts.reduce((all, part) => all | part.flags, 0);
    if (flags & ts.TypeFlags.Any || flags & ts.TypeFlags.Unknown) return "any";
    if (flags & ts.TypeFlags.NumberLike) return "number";
    if (flags & ts.TypeFlags.BooleanLike) return "boolean";
    if (flags & ts.TypeFlags.StringLike) return "string";
    const [object] = parts;
    if (!object) throw new Error(`cannot tell the shape of ${checker.typeToString(type)}`);
    if (checker.isArrayType(object)) {
        const [element] = checker.getTypeArguments(object as ts.TypeReference);
        return [element ? shapeOf(checker, element) : "any"];
    }
    const map = checker.getIndexTypeOfType(object, ts.IndexKind.String);
    if (map) return { "*": shapeOf(checker, map) };
    return Object.fromEntries(
        checker.getPropertiesOfType(object).map((property) => {
            const optional = property.flags & ts.SymbolFlags.Optional;
            return [`${property.name}${optional ? "?" : ""}`, shapeOf(checker, checker.getTypeOfSymbol(property))];
        }),
    );
}

function isWrapper(type: ts.Type): boolean {
    const name = type.aliasSymbol?.name ?? type.symbol?.name;
    return name === "Promise" || name === "OutputInstance" || name === "Output";
}

function isNothing(type: ts.Type): boolean {
    return (type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void)) !== 0;
}

/** The text of the table: a line a resource type. */
export function inputsText(): string {
    const lines = Object.entries(readShapes()).map((entry) => entry.map((part) => JSON.stringify(part)).join(": "));
    return `{\n${lines.join(",\n")}\n}\n`;
}

if (require.main === module) writeFileSync(INPUTS_FILE, inputsText());
