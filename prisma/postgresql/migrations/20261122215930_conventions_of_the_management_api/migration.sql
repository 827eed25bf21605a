-- AlterTable
ALTER TABLE "Organization" ADD COLUMN     "deletedAt" TIMESTAMP(3),
ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "defaultScopes" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "kind" TEXT NOT NULL DEFAULT 'api',
ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "Client" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "Member" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "PublishableKey" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "WebhookToken" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
UPDATE "SigningKey" SET "activatedAt" = "createdAt" WHERE "activatedAt" IS NULL;
ALTER TABLE "SigningKey" DROP COLUMN "state",
ADD COLUMN     "publishedUntil" TIMESTAMP(3),
ALTER COLUMN "activatedAt" SET NOT NULL;

-- AlterTable
ALTER TABLE "RegistrationToken" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 1;

-- CreateTable
CREATE TABLE "ManagementToken" (
    "id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "organizationId" TEXT,
    "name" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "allowlist" JSONB NOT NULL,
    "createdBy" TEXT NOT NULL,
    "creatorId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3),
    "revokedAt" TIMESTAMP(3),
    "revokedReason" TEXT,
    "lastUsedAt" TIMESTAMP(3),
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "ManagementToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "RememberedAnswer" (
    "id" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "sealedAnswer" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "RememberedAnswer_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "ManagementToken_digest_key" ON "ManagementToken"("digest");

-- CreateIndex
CREATE INDEX "ManagementToken_createdAt_id_idx" ON "ManagementToken"("createdAt", "id");

-- CreateIndex
CREATE INDEX "ManagementToken_organizationId_createdAt_id_idx" ON "ManagementToken"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "ManagementToken_creatorId_idx" ON "ManagementToken"("creatorId");

-- CreateIndex
CREATE INDEX "RememberedAnswer_expiresAt_idx" ON "RememberedAnswer"("expiresAt");

-- AddForeignKey
ALTER TABLE "ManagementToken" ADD CONSTRAINT "ManagementToken_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ManagementToken" ADD CONSTRAINT "ManagementToken_creatorId_fkey" FOREIGN KEY ("creatorId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
