-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN     "portalCeiling" TEXT,
ADD COLUMN     "portalTemplateId" TEXT,
ADD COLUMN     "vouchedBy" TEXT;

-- CreateTable
CREATE TABLE "OrganizationTemplate" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "features" JSONB NOT NULL,
    "callsPerMonth" INTEGER,
    "creditsPerMonth" INTEGER,
    "callsPerMinute" INTEGER,
    "createdBy" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "OrganizationTemplate_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Provision" (
    "organizationId" TEXT NOT NULL,
    "keyChainId" TEXT NOT NULL,
    "externalId" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "ownerId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Provision_pkey" PRIMARY KEY ("organizationId")
);

-- CreateIndex
CREATE INDEX "OrganizationTemplate_createdAt_id_idx" ON "OrganizationTemplate"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Provision_ownerId_idx" ON "Provision"("ownerId");

-- CreateIndex
CREATE UNIQUE INDEX "Provision_keyChainId_externalId_key" ON "Provision"("keyChainId", "externalId");

-- CreateIndex
CREATE INDEX "SignInLink_vouchedBy_createdAt_idx" ON "SignInLink"("vouchedBy", "createdAt");

-- AddForeignKey
ALTER TABLE "Provision" ADD CONSTRAINT "Provision_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Provision" ADD CONSTRAINT "Provision_ownerId_fkey" FOREIGN KEY ("ownerId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
