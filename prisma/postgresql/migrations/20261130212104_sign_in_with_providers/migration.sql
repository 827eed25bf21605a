-- AlterTable
ALTER TABLE "Organization" ADD COLUMN     "requiresProvider" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "GroupMember" DROP CONSTRAINT "GroupMember_pkey",
ADD COLUMN     "source" TEXT NOT NULL DEFAULT '',
ADD CONSTRAINT "GroupMember_pkey" PRIMARY KEY ("groupId", "memberId", "source");

-- AlterTable
ALTER TABLE "PersonSession" ADD COLUMN     "providerSession" TEXT;

-- CreateTable
CREATE TABLE "EmailDomain" (
    "id" TEXT NOT NULL,
    "domain" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "EmailDomain_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TrustedProvider" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "joinsAs" TEXT,
    "groupsClaim" TEXT NOT NULL DEFAULT 'groups',
    "groupMapping" JSONB NOT NULL DEFAULT '[]',
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "TrustedProvider_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Invitation" (
    "id" TEXT NOT NULL,
    "organizationId" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "normalEmail" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "groups" JSONB NOT NULL DEFAULT '[]',
    "memberId" TEXT,
    "createdBy" TEXT NOT NULL,
    "creatorId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "acceptedAt" TIMESTAMP(3),
    "revokedAt" TIMESTAMP(3),
    "revision" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "Invitation_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "EmailDomain_domain_key" ON "EmailDomain"("domain");

-- CreateIndex
CREATE INDEX "EmailDomain_createdAt_id_idx" ON "EmailDomain"("createdAt", "id");

-- CreateIndex
CREATE INDEX "EmailDomain_organizationId_createdAt_id_idx" ON "EmailDomain"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "TrustedProvider_createdAt_id_idx" ON "TrustedProvider"("createdAt", "id");

-- CreateIndex
CREATE INDEX "TrustedProvider_organizationId_createdAt_id_idx" ON "TrustedProvider"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "TrustedProvider_organizationId_provider_key" ON "TrustedProvider"("organizationId", "provider");

-- CreateIndex
CREATE INDEX "Invitation_createdAt_id_idx" ON "Invitation"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Invitation_organizationId_createdAt_id_idx" ON "Invitation"("organizationId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Invitation_normalEmail_acceptedAt_idx" ON "Invitation"("normalEmail", "acceptedAt");

-- CreateIndex
CREATE INDEX "PersonSession_providerSession_idx" ON "PersonSession"("providerSession");

-- AddForeignKey
ALTER TABLE "EmailDomain" ADD CONSTRAINT "EmailDomain_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "TrustedProvider" ADD CONSTRAINT "TrustedProvider_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Invitation" ADD CONSTRAINT "Invitation_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
