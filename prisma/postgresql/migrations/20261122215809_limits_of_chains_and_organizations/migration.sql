-- AlterTable
ALTER TABLE "Organization" ADD COLUMN     "callsPerMinute" INTEGER,
ADD COLUMN     "callsPerMonth" INTEGER,
ADD COLUMN     "creditsPerMonth" INTEGER;

-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN     "chainId" TEXT;
UPDATE "ApiKey" SET "chainId" = "id";
-- Every key is the first of its chain but for those that replaced another.
CREATE INDEX "ApiKey_rotatedFrom_filling" ON "ApiKey"("rotatedFrom");
WITH RECURSIVE "chain" ("id", "first") AS (
    SELECT "id", "id" FROM "ApiKey" WHERE "rotatedFrom" IS NULL AND "rotatedTo" IS NOT NULL
    UNION ALL
    SELECT "next"."id", "chain"."first" FROM "ApiKey" AS "next" JOIN "chain" ON "next"."rotatedFrom" = "chain"."id"
)
UPDATE "ApiKey" SET "chainId" = "chain"."first" FROM "chain" WHERE "chain"."id" = "ApiKey"."id";
DROP INDEX "ApiKey_rotatedFrom_filling";
ALTER TABLE "ApiKey" ALTER COLUMN "chainId" SET NOT NULL;

-- CreateTable
CREATE TABLE "Allowance" (
    "holder" TEXT NOT NULL,
    "month" TEXT NOT NULL,
    "calls" BIGINT NOT NULL,
    "credits" BIGINT NOT NULL,

    CONSTRAINT "Allowance_pkey" PRIMARY KEY ("holder","month")
);

-- CreateIndex
CREATE INDEX "ApiKey_chainId_idx" ON "ApiKey"("chainId");

-- CreateIndex
CREATE INDEX "PublishableKey_createdAt_id_idx" ON "PublishableKey"("createdAt", "id");

-- CreateIndex
CREATE INDEX "WebhookToken_createdAt_id_idx" ON "WebhookToken"("createdAt", "id");

-- What keys have taken is taken by their chains, and what they have spent by their organizations too.
INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
SELECT "ApiKey"."chainId", "KeyAllowance"."month", SUM("KeyAllowance"."calls"), SUM("KeyAllowance"."credits")
FROM "KeyAllowance" JOIN "ApiKey" ON "ApiKey"."id" = "KeyAllowance"."apiKeyId"
GROUP BY "ApiKey"."chainId", "KeyAllowance"."month";
INSERT INTO "Allowance" ("holder", "month", "calls", "credits")
SELECT "ApiKey"."organizationId" || ':' || "ApiKey"."environment", "KeyAllowance"."month", 0, SUM("KeyAllowance"."credits")
FROM "KeyAllowance" JOIN "ApiKey" ON "ApiKey"."id" = "KeyAllowance"."apiKeyId"
GROUP BY "ApiKey"."organizationId", "ApiKey"."environment", "KeyAllowance"."month";

-- DropTable
DROP TABLE "KeyAllowance";
